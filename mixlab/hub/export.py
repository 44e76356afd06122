"""Room hub: a fixed data set on disk: items in chat form, clips, card and manifest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from mixlab import __version__
from mixlab.audio.files import wav_bytes
from mixlab.errors import ConfigError, InputFileError
from mixlab.hub.card import card, dataset_info
from mixlab.items.drawn import DrawnItems
from mixlab.items.exported import deciding_settings
from mixlab.items.manifest import MANIFEST, Manifest, check_file, describe_file, read_manifest
from mixlab.items.records import ClipRecord, Item
from mixlab.multitrack.segments import group_by_song
from mixlab.settings import Plain
from mixlab.storage import whole_folder
from mixlab.synthesis.example import Clip, Example
from mixlab.synthesis.licences import is_free, songs_in
from mixlab.synthesis.problem import Problem

ITEMS_PER_FOLDER = 1000
"""Clips lie in folders of so many items: the Hugging Face Hub takes 10,000 files in one."""


class SampleFormat(StrEnum):
    """Of clips on disk."""

    FLOAT32 = "float32"
    PCM24 = "pcm24"


class Audio(StrEnum):
    """Which songs have clips."""

    FREE = "free"
    ALL = "all"


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        out: folder of the data set, new or empty.
        train_items: how many training examples, the first of epoch 0.
        clips: sample format.
        audio: ``free`` leaves out the audio of songs without a free licence; ``all`` keeps it, for private use.
    """

    out: Path
    train_items: int
    clips: SampleFormat
    audio: Audio


def export(data: DrawnItems, request: ExportRequest) -> Manifest:
    """Write a data set; `request.out` appears when all of it is on disk.

    An export of the same request that is there already is checked, file by file, and left as it is.

    Raises:
        InputFileError: if the folder has other content, or cannot be written.
        ConfigError: if a clip would exceed full scale in 24-bit PCM.
    """
    writer = _Writer(data, request)
    if (request.out / MANIFEST).is_file():
        return _as_before(read_manifest(request.out), writer.manifest(), request.out)
    data.setup()
    with whole_folder(request.out) as folder:
        for split in sorted(data.segments, key=_split_order):
            writer.write_split(folder, split)
        manifest = writer.manifest()
        writer.write(folder, "dataset_info.json", dataset_info(manifest).encode())
        writer.write(folder, "README.md", card(manifest).encode())
        manifest = writer.manifest()
        (folder / MANIFEST).write_text(manifest.to_text(), encoding="utf-8")
    return manifest


def clip_bytes(clip: Clip, sample_rate: int, sample_format: str, item_id: str) -> bytes:
    """A clip as the bytes of its file.

    Raises:
        ConfigError: if it exceeds full scale in 24-bit PCM.
    """
    try:
        return wav_bytes(clip.samples[None], sample_rate, sample_format)
    except ValueError as error:
        raise ConfigError(
            f"clips is '{sample_format}', but in item '{item_id}' the clip '{clip.label}' has {error}; use "
            "clips=float32, or lower data.level and evaluation.level."
        ) from error


class _Writer:
    """Writes items and remembers what the manifest has to say."""

    def __init__(self, data: DrawnItems, request: ExportRequest) -> None:
        self.data, self.request = data, request
        self.items: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.songs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}

    def write(self, folder: Path, path: str, content: bytes) -> None:
        """Write a file and list it."""
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        self.files[path] = describe_file(content)

    def write_split(self, folder: Path, split: str) -> None:
        """Write clips and items of a split; nothing where it has no items."""
        data = self.data
        if split == "train":
            training = data.training()
            problems, seed = [training.problem(0, index) for index in range(self.request.train_items)], data.seed
            examples = data.training_examples
        else:
            problems, seed, examples = data.problems(split), data.heldout.seed, data.examples
        segments = group_by_song(data.segments[split])
        lines = []
        console = Console(stderr=True)
        for index, problem in enumerate(track(problems, f"Exporting {split}", console=console, transient=True)):
            licences = self._licences(problem, split)
            example = examples.example(problem)
            has_audio = self.request.audio is Audio.ALL or all(is_free(licence) for licence in licences.values())
            item = Item.of(
                example,
                self._clips(folder, f"clips/{split}/{index // ITEMS_PER_FOLDER:03d}/{index:06d}", example, has_audio),
                # A start may be moved off the grid; measures are of the segment on the grid.
                segment=min(segments[problem.song_id], key=lambda segment: abs(segment.start_s - problem.start_s)),
                song_lufs=data.song_lufs(problem),
                seed=seed,
                licences=licences,
                has_audio=has_audio,
            )
            self.items[split] += 1
            self.withheld[split] += not has_audio
            lines.append(item.to_line())
        if lines:
            self.write(folder, f"{split}.jsonl", "".join(lines).encode())

    def _licences(self, problem: Problem, split: str) -> dict[str, str | None]:
        known = self.data.store.songs
        licences = {song_id: known[song_id].licence for song_id in songs_in(problem, known)}
        for song_id, licence in licences.items():
            free, genre = is_free(licence), known[song_id].genre
            self.songs[song_id] = {"split": split, "genre": genre, "licence": licence, "free": free}
        return licences

    def _clips(self, folder: Path, stem: str, example: Example, has_audio: bool) -> list[ClipRecord]:
        rate, clips = self.data.sample_rate, []
        for number, clip in enumerate(example.clips):
            content = clip_bytes(clip, rate, self.request.clips, example.problem.item_id)
            path = f"{stem}-{number}.wav"
            if has_audio:
                self.write(folder, path, content)
            clips.append(ClipRecord(path, describe_file(content)["sha256"], clip.label, clip.stems))
        return clips

    def manifest(self) -> Manifest:
        """What is known by now."""
        truth = self.data.true_balance() if self.items else None
        return Manifest(
            mixlab=__version__,
            dataset=described_source(self.data),
            source_key=source_key(self.data),
            settings=deciding_settings(self.data.settings),
            seed=self.data.seed,
            sample_rate=self.data.sample_rate,
            clips=str(self.request.clips),
            audio=str(self.request.audio),
            train_items=self.request.train_items,
            items=dict(self.items),
            withheld=dict(self.withheld),
            dropped=self.data.dropped,
            songs=dict(sorted(self.songs.items())),
            balance_db=None if truth is None else truth.balance_db,
            sigma_db=None if truth is None else truth.sigma_db,
            files=dict(self.files),
            roles=self.data.roles,
        )


def _split_order(split: str) -> tuple[int, str]:
    usual = ("train", "validation", "test")
    return (usual.index(split) if split in usual else len(usual), split)


def described_source(data: DrawnItems) -> dict[str, Plain]:
    """The songs' source; where the songs lie is nobody's business but their owner's."""
    return {key: value for key, value in data.settings.dataset.plain().items() if key != "root"}


def source_key(data: DrawnItems) -> str:
    """A hash of everything that decides the songs' audio, as the store knows it."""
    songs = sorted((song.song_id, song.key) for song in data.store.songs.values())
    return hashlib.sha256(json.dumps(songs).encode()).hexdigest()


def _as_before(found: Manifest, wanted: Manifest, out: Path) -> Manifest:
    """The export that is there, if it is what is asked for and whole."""
    for key in ("mixlab", "dataset", "source_key", "settings", "seed", "sample_rate", "clips", "audio", "train_items"):
        if getattr(found, key) != getattr(wanted, key):
            raise InputFileError(
                f"{out} holds an export already, which differs in '{key}'; choose another out=, or move it away."
            )
    for path in found.files:
        check_file(out, path, found)
    return found
