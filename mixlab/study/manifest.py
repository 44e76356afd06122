"""The folder of a study: what was drawn and rendered, and the words that participants read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mixlab.errors import ConfigError, InputFileError
from mixlab.study.design import Planned, plan
from mixlab.study.settings import Instrument, Mode

MANIFEST, AUDIO, DATABASE, BACKUPS = "study.json", "audio", "study.sqlite", "backups"

PREDICTIONS = "predictions"
"""The folder in which every system has what it says of the items, as ``<system>.jsonl``, for metrics and judges."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemStimulus(_Record):
    """What a system says of an item, and the file in which it has been followed.

    `advised_gain_db` is what it advises for the stem that is at fault, 0 where it leaves that alone.
    """

    text: str
    advised_gain_db: float
    after: str


class Item(_Record):
    """A mix with its error; files are names in ``audio/``.

    `stem` is the stem at fault and `true_gain_db` the gain that it needs; where several are at fault it is the one that
    needs most, where none is, empty and 0.
    """

    item: str
    song: str
    genre: str | None
    licence: str | None
    anchor: str
    error_category: str
    prompt_category: str
    prompt: str
    stem: str
    true_gain_db: float
    before: str
    anchor_alone: str
    systems: dict[str, SystemStimulus]


class ToneTrial(_Record):
    """A trial of the headphone check: three tones, of which number `quietest` (1 to 3) is the quietest."""

    file: str
    quietest: int


class Manifest(_Record):
    """Everything about the stimuli of a study. The last item is for training."""

    mode: Mode
    seed: int
    target_lufs: float
    systems: tuple[str, ...]
    items: tuple[Item, ...]
    tones: tuple[ToneTrial, ...]
    level: str
    notes: tuple[str, ...]
    instrument: Instrument


class StudyFolder:
    """A study as `build` made it.

    Raises:
        InputFileError: if the folder is not that of a study.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        try:
            # JSON has no whole numbers as keys, so that the strict reading of the configuration does not fit.
            text = (self.path / MANIFEST).read_text(encoding="utf-8")
            self.manifest = Manifest.model_validate_json(text)
        except OSError as error:
            raise InputFileError(
                f"{self.path} holds no study ({MANIFEST}: {error.strerror}); make one with `mixlab study build`."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise InputFileError(
                f"{self.path / MANIFEST} does not hold a study ({where}: {first['msg']}); build it again."
            ) from None
        self._files = {name for name in self._named() if (self.path / AUDIO / name).is_file()}

    @property
    def instrument(self) -> Instrument:
        return self.manifest.instrument

    @cached_property
    def database_url(self) -> str:
        """The SQLite database in the folder."""
        return f"sqlite:///{(self.path / DATABASE).resolve()}"

    def text(self, name: str) -> str:
        """The Markdown of ``information`` or ``consent``.

        Raises:
            InputFileError: naming the file, if it cannot be read.
        """
        path = self.path / f"{name}.md"
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputFileError(f"{path} cannot be read ({error}); put the text for participants there.") from error

    def open_fields(self) -> list[str]:
        """The texts that still have fields in brackets to be filled in, as their file names."""
        return [f"{name}.md" for name in ("information", "consent") if "[" in self.text(name)]

    def file(self, name: str) -> Path | None:
        """The path of an audio file of this study; None for any other name, so that no path can be made up."""
        return self.path / AUDIO / name if name in self._files else None

    def plan(self, number: int) -> list[Planned]:
        """The trials of the participant with a number, from 0."""
        session, manifest = self.instrument.session, self.manifest
        systems = manifest.systems if manifest.mode is Mode.RATE else ()
        return plan(number, len(manifest.items), systems, session, manifest.seed)

    def _named(self) -> set[str]:
        manifest = self.manifest
        names = {manifest.level, *(tone.file for tone in manifest.tones)}
        for item in manifest.items:
            names |= {item.before, item.anchor_alone, *(said.after for said in item.systems.values())}
        return names


def check_design(instrument: Instrument, systems: Sequence[str], items: int) -> None:
    """That a session can be planned.

    Args:
        items: number of items beside the one for training.

    Raises:
        ConfigError: naming the key that does not fit.
    """
    trials = instrument.session.trials
    if systems and trials % len(systems):
        raise ConfigError(
            f"The key 'instrument.session.trials' is {trials}, which is no multiple of the {len(systems)} systems "
            f"({', '.join(systems)}); set it to {max(1, trials // len(systems)) * len(systems)}."
        )
    if trials > items:
        raise ConfigError(
            f"The key 'instrument.session.trials' is {trials}, but only {items} items were drawn beside one for "
            "training; lower it, or draw more."
        )
    if instrument.session.repeats > trials // 2:
        raise ConfigError(
            f"The key 'instrument.session.repeats' is {instrument.session.repeats}, more than half of the {trials} "
            "trials; lower it."
        )
    if instrument.headphones.pass_at > instrument.headphones.trials:
        raise ConfigError("The key 'instrument.headphones.pass_at' exceeds the number of its trials; lower it.")
