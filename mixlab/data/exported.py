"""Room data: fixed examples from an exported data set (`dataset=jsonl`) in place of songs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from mixlab.audio.files import AudioHeader, read_audio, read_header
from mixlab.data.dataset import EncodedExample, ExampleMaker
from mixlab.data.encoder import ChatEncoder
from mixlab.data.manifest import check_file, describe_file, read_manifest
from mixlab.data.module import MixDataModule, TrueBalance
from mixlab.data.records import Item
from mixlab.errors import ConfigError, InputFileError
from mixlab.synthesis.draw import ProblemProtocol
from mixlab.synthesis.example import Clip, Example
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator


class ExportedSet:
    """A folder that `python -m mixlab.export` wrote: fixed items, not songs.

    Args:
        root: the folder.

    Raises:
        InputFileError: if it is no finished export.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser()
        self.manifest = read_manifest(self.root)
        self.sample_rate = self.manifest.sample_rate

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
                f"with python -m mixlab.export rebuild={self.root} and the dataset and dataset.root of your own songs"
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


class ExportedMaker(ExampleMaker):
    """Makes examples from clips that lie on disk, where `ExampleMaker` makes them from songs."""

    def __init__(self, root: Path, items: Mapping[tuple[str, str], Item], encoder: ChatEncoder) -> None:
        self.root, self.items, self.encoder = root, items, encoder

    def example(self, problem: Problem) -> Example:
        """The example of a problem, as it was exported."""
        item = self.items[problem.split, problem.item_id]
        clips = tuple(Clip(clip.label, clip.stems, read_audio(self.root / clip.path)[0][0]) for clip in item.clips)
        return Example(item.problem, clips, item.prompt, item.response, item.reference)


class ExportedTraining(Dataset[EncodedExample]):
    """Endless passes over the exported training items: ``dataset[epoch, index]``.

    The first pass of epoch 0 has them in the order of the file, which is the order in which they were drawn. Every
    other pass has an order of its own, a pure function of (seed, epoch, pass); `index` divided by their number is the
    pass within the epoch.
    """

    def __init__(self, maker: ExportedMaker, problems: Sequence[Problem], seed: int) -> None:
        self.maker, self.problems, self.seed = maker, problems, seed

    def problem(self, epoch: int, index: int) -> Problem:
        """The problem of a training example: a pure function of (seed, epoch, index)."""
        passes, position = divmod(index, len(self.problems))
        if (epoch, passes) != (0, 0):
            position = generator(self.seed, "order", epoch, passes).permutation(len(self.problems))[position]
        return self.problems[position]

    def __getitem__(self, key: tuple[int, int]) -> EncodedExample:
        return self.maker.encode(self.problem(*key), with_response=True)


class ExportedDataModule(MixDataModule):
    """Serves the items of an export as `MixDataModule` serves those that it draws from songs.

    Args:
        source: the export. The other arguments are those of `MixDataModule`; they say how the items were drawn, which
            whoever builds this module has compared with the export.
    """

    def __init__(self, source: ExportedSet, *arguments: Any, **named: Any) -> None:
        super().__init__(source, *arguments, **named)  # type: ignore[arg-type]  # there are no songs, which only setup() needs
        self.exported = source
        self.items: dict[str, list[Item]] = {}
        self._by_id: dict[tuple[str, str], Item] = {}

    @property
    def can_vary(self) -> bool:
        """Exported clips are as they are."""
        return False

    def prepare_data(self) -> None:
        """Nothing to prepare: the clips are there."""

    def setup(self, stage: str | None = None) -> None:
        """Read and check all items and clips.

        Raises:
            ConfigError: if the model hears another rate.
            InputFileError: naming file and line of an item that is not as it was exported.
        """
        if self.items:
            return
        manifest = self.exported.manifest
        if manifest.sample_rate != self.encoder.sample_rate:
            raise ConfigError(
                f"{self.exported.root} holds clips of {manifest.sample_rate} Hz, and the model hears "
                f"{self.encoder.sample_rate} Hz; choose another model or export for this one."
            )
        self.items = {split: self.exported.checked_items(split) for split in manifest.items}
        self.dropped = {split: dict(counts) for split, counts in manifest.dropped.items()}
        for split, items in self.items.items():
            # A training item may start off the grid on which its segment was measured.
            by_place = {(item.problem.song_id, item.problem.start_s): item for item in items}
            self.segments[split] = [replace(item.segment, start_s=start_s) for (_, start_s), item in by_place.items()]
            self._by_id |= {(split, item.problem.item_id): item for item in items}

    def maker(self, protocol: ProblemProtocol | None = None) -> ExportedMaker:
        """What makes examples; they are as they were exported, whatever the protocol."""
        return ExportedMaker(self.exported.root, self._by_id, self.encoder)

    def training_dataset(self) -> ExportedTraining:
        """Training examples by (epoch, index)."""
        return ExportedTraining(self.maker(), self.problems("train"), self.seed)

    def problems(self, split: str) -> list[Problem]:
        """The items of a split; empty if the export has none."""
        return [item.problem for item in self.items.get(split, [])]

    def tuning_problems(self, count: int) -> list[Problem]:
        """The first training items whose stems are all of one song, on which the baselines are fitted."""
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


def _in_words(header: AudioHeader) -> str:
    return f"{header.channels} channel(s) of {header.frames} samples at {header.sample_rate} Hz"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
