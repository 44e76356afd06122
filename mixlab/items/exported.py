"""Room items: fixed examples from an exported data set (`dataset=jsonl`) in place of songs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mixlab.audio.files import AudioHeader, read_audio, read_header
from mixlab.errors import ConfigError, InputFileError
from mixlab.items.bank import ItemBank, TrueBalance
from mixlab.items.manifest import check_file, describe_file, read_manifest
from mixlab.items.records import Item
from mixlab.items.settings import HeldoutSettings, ItemSettings
from mixlab.settings import FilePath, Plain
from mixlab.synthesis.example import Clip, Example
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.protocol import WrongClaims
from mixlab.synthesis.seeds import generator


class ExportedSet:
    """A folder that `mixlab export` wrote: fixed items, not songs.

    Args:
        root: the folder.

    Raises:
        InputFileError: if it is no finished export.
    """

    name = "jsonl"

    def __init__(self, root: FilePath) -> None:
        self.root = Path(root).expanduser()
        self.manifest = read_manifest(self.root)
        self.sample_rate = self.manifest.sample_rate
        self.roles = tuple(self.manifest.roles)

    def items(self, split: str) -> list[Item]:
        """The items of a split, every line checked; clips are not looked at.

        Raises:
            InputFileError: naming file and line.
        """
        return [item for _, item in self._numbered(split)]

    def checked_items(self, split: str) -> list[Item]:
        """The items of a split, with every clip there and as it was exported.

        Raises:
            InputFileError: naming file and line.
        """
        items = []
        for number, item in self._numbered(split):
            if fault := self._fault(item):
                raise InputFileError(f"{self.root / split}.jsonl, line {number}: {fault}.")
            items.append(item)
        check_file(self.root, f"{split}.jsonl", self.manifest)
        return items

    def _numbered(self, split: str) -> Iterator[tuple[int, Item]]:
        path = self.root / f"{split}.jsonl"
        seen: set[str] = set()
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputFileError(f"{path} cannot be read ({error}); copy the export again.") from error
        for number, line in enumerate(lines, start=1):
            if not line and number == len(lines):
                return
            try:
                item = Item.from_line(line)
                if item.problem.split != split or item.problem.item_id in seen:
                    raise ValueError(f"the item {item.problem.item_id!r} is there twice or of another split")
                if unknown := sorted(set(item.problem.stems) - set(self.roles)):
                    raise ValueError(f"unknown stems {unknown}")
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
                what = f"lacks the key {error}" if isinstance(error, KeyError) else _one_line(error)
                raise InputFileError(
                    f"{path}, line {number} is no item of an export ({what}); copy or export the data set again."
                ) from error
            seen.add(item.problem.item_id)
            yield number, item

    def _fault(self, item: Item) -> str | None:
        """What is wrong with the clips of an item and what to do about it, or None."""
        if not item.has_audio:
            return (
                f"the licence of {' and '.join(sorted(item.licences))} keeps its clips out of the data set; make them "
                f"with mixlab export rebuild={self.root} and the dataset and dataset.root of your own songs"
            )
        for clip in item.clips:
            path = self.root / clip.path
            try:
                as_exported = describe_file(path.read_bytes())["sha256"] == clip.sha256
            except OSError as error:
                return f"its clip {path} cannot be read ({error.strerror}); copy the export again"
            if not as_exported:
                return f"its clip {path} is not as it was exported (the SHA-256 differs); copy the export again"
            header = read_header(path)
            wanted = AudioHeader(round(item.problem.duration_s * self.sample_rate), self.sample_rate, 1)
            if header != wanted:
                return f"its clip {path} has {_in_words(header)}, not {_in_words(wanted)}; export again"
        return None


class ExportedExamples:
    """Examples whose clips lie on disk.

    Args:
        root: folder of the export.
        items: by split and item id.
        audible: whether the model hears the clips.
    """

    def __init__(self, root: Path, items: Mapping[tuple[str, str], Item], audible: bool) -> None:
        self.root, self.items, self.audible = root, items, audible

    def example(self, problem: Problem) -> Example:
        """The example of a problem, as it was exported."""
        item = self.items[problem.split, problem.item_id]
        clips = tuple(
            Clip(clip.label, clip.stems, read_audio(self.root / clip.path)[0][0], audible=self.audible)
            for clip in item.clips
        )
        return Example(item.problem, clips, item.prompt, item.response, item.reference)


class ExportedTraining:
    """Endless passes over the exported training items.

    The first pass of epoch 0 has them in the order of the file, which is the order in which they were drawn. Every
    other pass has an order of its own, a pure function of (seed, epoch, pass); `index` divided by their number is the
    pass within the epoch.
    """

    def __init__(self, problems: Sequence[Problem], seed: int) -> None:
        self.problems, self.seed = problems, seed

    def problem(self, epoch: int, index: int) -> Problem:
        """The problem of a training example: a pure function of (seed, epoch, index)."""
        passes, position = divmod(index, len(self.problems))
        if (epoch, passes) != (0, 0):
            position = generator(self.seed, "order", epoch, passes).permutation(len(self.problems))[position]
        return self.problems[position]


class ExportedItems(ItemBank):
    """The items of an export, served as `DrawnItems` serves those that it draws from songs.

    Args:
        exported: the export. The other arguments are those of `ItemBank`.

    Raises:
        ConfigError: if the export was made with other settings, naming the overrides that are missing.
    """

    can_vary = False

    def __init__(self, exported: ExportedSet, settings: ItemSettings, sample_rate: int) -> None:
        super().__init__(settings, sample_rate)
        check_settings(exported, settings)
        self.exported = exported
        self.items: dict[str, list[Item]] = {}
        self._by_id: dict[tuple[str, str], Item] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """Those that the export states."""
        return self.exported.roles

    def prepare(self) -> None:
        """Nothing to prepare: the clips are there."""

    def setup(self) -> None:
        """Read and check all items and clips.

        Raises:
            ConfigError: if the model hears another rate.
            InputFileError: naming file and line of an item that is not as it was exported.
        """
        if self.items:
            return
        manifest = self.exported.manifest
        if manifest.sample_rate != self.sample_rate:
            raise ConfigError(
                f"{self.exported.root} holds clips of {manifest.sample_rate} Hz, and the model hears "
                f"{self.sample_rate} Hz; choose another model or export for this one."
            )
        self.items = {split: self.exported.checked_items(split) for split in manifest.items}
        self.dropped = {split: dict(counts) for split, counts in manifest.dropped.items()}
        for split, items in self.items.items():
            # A training item may start off the grid on which its segment was measured.
            by_place = {(item.problem.song_id, item.problem.start_s): item for item in items}
            self.segments[split] = [replace(item.segment, start_s=start_s) for (_, start_s), item in by_place.items()]
            self._by_id |= {(split, item.problem.item_id): item for item in items}

    @cached_property
    def examples(self) -> ExportedExamples:
        """What makes examples; they are as they were exported."""
        return ExportedExamples(self.exported.root, self._by_id, self.inputs.audible)

    def training(self) -> ExportedTraining:
        """The training problems by (epoch, index)."""
        return ExportedTraining(self.problems("train"), self.seed)

    def problems(self, split: str) -> list[Problem]:
        """The items of a split; empty if the export has none."""
        return [item.problem for item in self.items.get(split, [])]

    def tuning_problems(self, count: int) -> list[Problem]:
        """The first training items whose stems are all of one song."""
        return [problem for problem in self.problems("train") if not problem.borrowed][:count]

    def song_lufs(self, problem: Problem) -> Mapping[str, float]:
        """Integrated loudness of the stems over the whole song, as recorded."""
        return self._by_id[problem.split, problem.item_id].song_lufs

    def true_balance(self) -> TrueBalance | None:
        """What is known of the songs' balance, as recorded."""
        manifest = self.exported.manifest
        if manifest.balance_db is None or manifest.sigma_db is None:
            return None
        return TrueBalance(manifest.balance_db, manifest.sigma_db)

    def notes(self) -> list[str]:
        """That the baselines were fitted on other items than those drawn from songs."""
        return [
            f"The items come from an export of mixlab {self.exported.manifest.mixlab}; the baselines were fitted on "
            "its training items, the first of the file, and not on items of their own."
        ]


SERVING = {"data": ("batch_size", "eval_batch_size", "examples_per_epoch", "workers", "prepare_workers")}
"""Keys that say how items are served, not which items there are."""

WORDS = ("prompts", "responses", "degree_share", "reasons")
"""Keys by which texts were worded; an exported item keeps what it says, wherever the files of banks are now."""

DECIDING = ("anchor", "error", "prompt", "inputs", "data", "evaluation")
"""The groups that decide the items, beside the songs and the seed."""


def deciding_settings(settings: ItemSettings) -> dict[str, dict[str, Plain]]:
    """The parts of a configuration that decide its items, by group, as an export keeps them."""
    kept = {
        "anchor": settings.anchor,
        "error": settings.error,
        "prompt": settings.prompt,
        "inputs": settings.inputs,
        "data": settings.data,
        # Of an evaluation's keys those of any bank; how figures are made of its items is no part of them.
        "evaluation": HeldoutSettings.model_validate(
            {k: getattr(settings.evaluation, k) for k in HeldoutSettings.model_fields}
        ),
    }
    return {
        group: {
            key: value for key, value in part.plain().items() if value is not None and key not in SERVING.get(group, ())
        }
        for group, part in kept.items()
    }


def check_settings(exported: ExportedSet, settings: ItemSettings) -> None:
    """Check that a run describes its items as the data set does that holds them.

    Raises:
        ConfigError: with the overrides that are missing.
    """
    # Exports of before there was a choice have wrong claims of the kind that there was.
    older = {f"{group}.wrong_claims": str(WrongClaims.UNIFORM) for group in ("prompt", "evaluation.prompt")}
    wanted, found = older | _flat(exported.manifest.settings), _flat(deciding_settings(settings))
    overrides = [
        f"{'' if key in found else '+'}{key}={_as_override(value)}"
        for key, value in wanted.items()
        if key not in found or found[key] != value
    ]
    overrides += sorted({f"~{_surplus(key, wanted)}" for key in found if key not in wanted})
    if overrides:
        raise ConfigError(
            f"{exported.root} was exported with other settings than this run has; "
            f"add {' '.join(overrides)} to the command."
        )


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    """Leaves of a tree of settings by their dotted keys; what is null is not there, nor are `WORDS`."""
    if not isinstance(node, Mapping):
        return {} if node is None else {key: node}
    parts = {f"{key}.{name}" if key else name: part for name, part in node.items() if name not in WORDS}
    return {leaf: value for name, part in parts.items() for leaf, value in _flat(part, name).items()}


def _surplus(key: str, wanted: Mapping[str, Any]) -> str:
    """The largest part of the tree that holds `key` and nothing that is wanted."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next(prefix for prefix in prefixes if not any(f"{name}.".startswith(f"{prefix}.") for name in wanted))


def _as_override(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _in_words(header: AudioHeader) -> str:
    return f"{header.channels} channel(s) of {header.frames} samples at {header.sample_rate} Hz"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
