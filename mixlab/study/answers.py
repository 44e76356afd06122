"""An export read back and checked: who took part, what they rated, which of two they preferred."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from mixlab.errors import InputFileError

RATING_COLUMNS = (
    "participant", "session_part", "item", "system", "criterion", "rating", "is_repeat", "is_instructed",
    "instructed_answer", "true_gain_db", "advised_gain_db", "playback",
)  # fmt: skip
"""The columns of ratings.csv that are needed; others may stand beside them."""

CODE_COLUMNS = ("participant", "trial", "coder", "code")
"""The columns of codes.csv."""

TRAINING = "training"
"""The part of a session that is never analysed."""

ORDER = ("fine_tuned", "zero_shot", "loudness_rule", "human", "original", "do_nothing", "low_anchor")
"""The order in which systems are shown; others stand before the controls."""


@dataclass(frozen=True)
class Answers:
    """What came of a study.

    Attributes:
        ratings: one row a rating, with the columns `RATING_COLUMNS`; training is left out.
        participants: ``participant``, ``simulated`` (0 or 1) and whatever else was asked.
        preferences: ``participant``, ``item``, ``system_a``, ``system_b``, ``preferred``; may be empty.
        codes: ``participant``, ``trial``, ``coder``, ``code`` of comments, where a coder has read them; may be empty.
    """

    ratings: pd.DataFrame
    participants: pd.DataFrame
    preferences: pd.DataFrame
    codes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CODE_COLUMNS)))

    @property
    def is_simulated(self) -> bool:
        """Whether no person gave these answers."""
        return bool((self.participants["simulated"] == 1).any())

    @property
    def main(self) -> pd.DataFrame:
        """The ratings that count: neither repeats nor instructed ones."""
        return self.ratings[(self.ratings["is_repeat"] == 0) & (self.ratings["is_instructed"] == 0)]

    @property
    def criteria(self) -> list[str]:
        """In the order of the file."""
        return list(dict.fromkeys(self.main["criterion"]))

    @property
    def systems(self) -> list[str]:
        """Those that were rated: controls last."""
        found = sorted(set(self.main["system"]))
        return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else 3.5)

    def without(self, participants: Iterable[str]) -> Answers:
        """The same without some participants."""
        gone, names = set(participants), ("ratings", "participants", "preferences")
        tables = {name: getattr(self, name) for name in names}
        return replace(self, **{name: table[~table["participant"].isin(gone)] for name, table in tables.items()})


def read_answers(folder: Path) -> Answers:
    """Read the folder that `mixlab study export` wrote.

    Raises:
        InputFileError: naming the file, with the line where one is wrong: a file or column is missing, a rating is no
            whole number from 1 to 5, a participant is unknown, there are no ratings or only one system, or simulated
            participants stand beside people.
    """
    ratings = _table(folder / "ratings.csv", RATING_COLUMNS)
    participants = _table(folder / "participants.csv", ("participant", "simulated"))
    _numbers(participants, folder / "participants.csv", ("simulated",), (0, 1))
    path = folder / "preferences.csv"
    columns = ("participant", "item", "system_a", "system_b", "preferred")
    preferences = _table(path, columns) if path.is_file() else pd.DataFrame(columns=list(columns))
    found = checked(ratings, participants, preferences, folder)
    path = folder / "codes.csv"
    return replace(found, codes=_table(path, CODE_COLUMNS)) if path.is_file() else found


def checked(ratings: pd.DataFrame, participants: pd.DataFrame, preferences: pd.DataFrame, folder: Path) -> Answers:
    """Tables of text as answers with numbers where numbers belong; errors are those of `read_answers`."""
    path = folder / "ratings.csv"
    ratings = ratings[ratings["session_part"] != TRAINING].copy()
    if ratings.empty:
        raise InputFileError(f"{path} holds no ratings beside training; export a study in which somebody took part.")
    _numbers(ratings, path, ("rating",), (1, 2, 3, 4, 5))
    _numbers(ratings, path, ("is_repeat", "is_instructed"), (0, 1))
    for column in ("true_gain_db", "advised_gain_db", "instructed_answer"):
        ratings[column] = pd.to_numeric(ratings[column], errors="coerce")
    if unknown := sorted(set(ratings["participant"]) - set(participants["participant"])):
        raise InputFileError(
            f"{path} holds ratings of '{unknown[0]}', who is not in participants.csv; export both again."
        )
    took_part = participants[participants["participant"].isin(set(ratings["participant"]))]
    simulated = int((took_part["simulated"] == 1).sum())
    if 0 < simulated < len(took_part):
        raise InputFileError(
            f"{folder / 'participants.csv'} mixes {simulated} simulated participants with {len(took_part) - simulated} "
            "people; remove the rows of the simulated ones from the export's files."
        )
    answers = Answers(ratings, took_part, preferences)
    if answers.main.empty:
        raise InputFileError(f"{path} holds only repeats and instructed items; export a study with finished trials.")
    if len(answers.systems) < 2:
        raise InputFileError(
            f"{path} holds ratings of one system only ('{answers.systems[0]}'); there is nothing to compare it with."
        )
    _once(answers.main, path)
    return answers


def _once(main: pd.DataFrame, path: Path) -> None:
    twice = main[main.duplicated(["participant", "item", "system", "criterion"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputFileError(
            f"{path}, line {twice.index[0] + 2}: '{row['participant']}' rates {row['item']} under '{row['system']}' a "
            f"second time by '{row['criterion']}' and it is no repeat; remove one."
        )


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        raise InputFileError(f"{path} is empty; export the study again.") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        sentence = f"{path} cannot be read ({reason}); give the folder that `mixlab study export` wrote."
        raise InputFileError(sentence) from None
    if missing := [column for column in columns if column not in table]:
        raise InputFileError(f"{path} lacks the column '{missing[0]}'; it needs {', '.join(columns)}.")
    return table


def _numbers(table: pd.DataFrame, path: Path, columns: Sequence[str], allowed: Sequence[int]) -> None:
    """Turn columns of text into whole numbers in place, where all are allowed ones."""
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = table[~values.isin(allowed)]
        if len(wrong):
            words = ", ".join(map(str, allowed[:-1])) + f" or {allowed[-1]}"
            raise InputFileError(
                f"{path}, line {wrong.index[0] + 2}: the column '{column}' is '{wrong[column].iloc[0]}', not {words}; "
                "correct it."
            )
        table[column] = values.astype(int)
