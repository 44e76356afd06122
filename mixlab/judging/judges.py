"""Several judges of the same texts: how far they agree, from what each of them left in the folder of its run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import InputFileError
from mixlab.reports.sheets import Line, Sheet, alone, words
from mixlab.scoring.rows import json_rows

SCORES, RANKINGS = "scores.jsonl", "rankings.jsonl"

Judged = Mapping[str, Mapping[tuple[str, str], float]]
"""Criterion (of ranks as ``rank_...``) -> (digest of the question, subject) -> mean over draws."""


def judged_in(rows: Iterable[Mapping[str, Any]]) -> Judged:
    """What one judge said, from the records of `verdicts.records` and `rankings.rank_records`."""
    found: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.get("subject") and row["answer"]:
            for criterion, score in row["answer"].items():
                if criterion != "reason":
                    found[criterion][row["asked"], row["subject"]].append(score)
        for criterion, ranks in (row.get("ranks") or {}).items():
            for subject, rank in ranks.items():
                found[f"rank_{criterion}"][row["asked"], subject].append(rank)
    return {name: {key: float(np.mean(said)) for key, said in texts.items()} for name, texts in found.items()}


def read_judge(folder: Path) -> Judged:
    """What another judge said.

    Raises:
        InputFileError: if the folder is none of a judge's runs.
    """
    files = [folder / name for name in (SCORES, RANKINGS) if (folder / name).is_file()]
    if not files:
        raise InputFileError(
            f"{folder} holds neither {SCORES} nor {RANKINGS}; give the folder of a run of mixlab judge."
        )
    try:
        return judged_in([row for path in files for _, row in json_rows(path, "a judge's answers")])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputFileError(f"{folder} holds answers of another form ({error}); let that judge judge again.") from None


def alphas(judges: Sequence[Judged]) -> dict[str, tuple[float, int]]:
    """By criterion: Krippendorff's alpha (ordinal) of judges over texts, and how many texts two judges at least scored.

    Alpha is NaN where all say the same of everything, or no text has two judges.

    Raises:
        InputFileError: if no question was put to two of them.
    """
    from krippendorff import alpha

    found: dict[str, tuple[float, int]] = {}
    for criterion in dict.fromkeys(name for judged in judges for name in judged):
        texts = list(dict.fromkeys(text for judged in judges for text in judged.get(criterion, {})))
        table = np.array([[judged.get(criterion, {}).get(text, np.nan) for text in texts] for judged in judges])
        shared = table[:, np.isfinite(table).sum(axis=0) > 1]
        told = shared.size > 0 and np.unique(shared[np.isfinite(shared)]).size > 1
        value = float(alpha(reliability_data=shared, level_of_measurement="ordinal")) if told else np.nan
        found[criterion] = value, shared.shape[1]
    if not any(count for _, count in found.values()):
        raise InputFileError(
            "The judges share no question; let all judge the same predictions with the same rubric, items and seed."
        )
    return found


def judges_sheet(found: Mapping[str, tuple[float, int]], judges: int) -> Sheet:
    """The agreement of judges as a table."""
    columns = {"alpha": "alpha", "texts": "texts"}
    lines = [
        Line(words(name), {"alpha": alone(value), "texts": alone(float(texts))})
        for name, (value, texts) in found.items()
    ]
    return Sheet("judges", f"Agreement of {judges} judges (Krippendorff's alpha, ordinal)", columns, lines)
