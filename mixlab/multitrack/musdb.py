"""Room multitrack: MUSDB18 as a source, compressed (`dataset=musdb18`) or as WAV (`dataset=musdb18hq`)."""

from __future__ import annotations

import csv
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources, util
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mixlab.audio.files import read_header
from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry
from mixlab.multitrack.tracks import LENGTH_TOLERANCE_S, RoleSums, Track, check_together
from mixlab.settings import FilePath

MUSDB_VERSION = 2
"""Part of a song's identity; raise it when other samples come from the same files."""

STEM_SUFFIX = ".stem.mp4"


@dataclass(frozen=True)
class TrackFacts:
    """What the published track list says of a song of MUSDB18."""

    genre: str
    source: str
    licence: str


class _Musdb(ABC):
    """What both forms of MUSDB18 (Rafii et al. 2017) share: folders ``train`` and ``test``, official splits, facts.

    The 14 validation songs are those that the musdb package names; genre and licence come from the published track
    list (``musdb18.csv``). No audio of these songs may be published.

    Args:
        root: the folder that holds ``train`` and ``test``.
        shared_artists: False leaves test songs out whose artist is among the training songs too.

    Raises:
        InputFileError: if the folder is no MUSDB18 of this form.
    """

    form = ""
    roles = STEMS

    def __init__(self, root: FilePath, shared_artists: bool = True) -> None:
        self.root = Path(root).expanduser()
        self.shared_artists = shared_artists
        if not self._songs:
            raise InputFileError(f"{self.root} holds no songs of MUSDB18; set dataset.root to {self.form}.")

    def identity(self, entry: SongEntry) -> Mapping[str, Any]:
        """The form and the version of this code, as JSON."""
        return {"source": type(self).__name__, "version": MUSDB_VERSION}

    def files(self, entry: SongEntry) -> Sequence[Path]:
        """The song's files, in the order of `STEMS` where there are several."""
        return [Path(path) for path in entry.details["paths"]]

    def entries(self) -> Sequence[SongEntry]:
        """All songs, sorted by id, which is the title (``Artist - Title``)."""
        splits = {song_id: self._split(song_id) for song_id in self._songs}
        known = {artist_of(song_id) for song_id, split in splits.items() if split != "test"}
        entries = []
        for song_id, paths in sorted(self._songs.items()):
            if not self.shared_artists and splits[song_id] == "test" and artist_of(song_id) in known:
                continue
            facts = track_facts().get(song_id)
            entries.append(
                SongEntry(
                    song_id,
                    splits[song_id],
                    genre=facts.genre if facts else None,
                    licence=facts.licence if facts else None,
                    details={"paths": [str(path) for path in paths]},
                )
            )
        return entries

    @cached_property
    def _songs(self) -> dict[str, list[Path]]:
        """The files of every song, by title."""
        if not self.root.is_dir():
            raise InputFileError(f"{self.root} is not a folder; set dataset.root to {self.form}.")
        return {title: paths for subset in ("train", "test") for title, paths in self._list(self.root / subset)}

    def _split(self, song_id: str) -> str:
        if self._songs[song_id][0].relative_to(self.root).parts[0] == "test":
            return "test"
        return "validation" if song_id in validation_titles() else "train"

    @abstractmethod
    def load(self, entry: SongEntry) -> LoadedSong:
        """Read a song's four stems."""

    @abstractmethod
    def _list(self, folder: Path) -> list[tuple[str, list[Path]]]:
        """Title and files of every song in ``train`` or ``test``."""


class Musdb18HQ(_Musdb):
    """MUSDB18-HQ: a folder a song, with the four stems as WAV files; needs no FFmpeg."""

    name = "musdb18hq"
    form = "the folder of MUSDB18-HQ, with train/<song>/bass.wav and so on"

    def load(self, entry: SongEntry) -> LoadedSong:
        """The song's four files, decoded when they are asked for.

        Raises:
            InputFileError: naming the file, if it cannot be read or has another rate than the others.
        """
        sums = RoleSums(_tracks([Path(path) for path in entry.details["paths"]]))
        rates = {track.header.sample_rate for track in sums.tracks}
        if len(rates) > 1:
            raise InputFileError(f"The stems of '{entry.song_id}' have rates of {sorted(rates)} Hz; copy them again.")
        return LoadedSong(sums, sums.sample_rate, LENGTH_TOLERANCE_S)

    def _list(self, folder: Path) -> list[tuple[str, list[Path]]]:
        songs = []
        for song in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not song.is_dir() or song.name.startswith("."):
                continue
            paths = [song / f"{stem}.wav" for stem in STEMS]
            check_together(_tracks(paths), LENGTH_TOLERANCE_S)
            songs.append((song.name, paths))
        return songs


class Musdb18(_Musdb):
    """MUSDB18: one file a song in Native Instruments' stem format, read by stempeg, which the musdb package brings.

    Raises:
        ConfigError: without the programs ffmpeg and ffprobe, which stempeg calls.
    """

    name = "musdb18"
    form = "the folder of MUSDB18, with train/<song>.stem.mp4 and so on"

    def __init__(self, root: FilePath, shared_artists: bool = True) -> None:
        missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
        if missing:
            raise ConfigError(
                f"dataset=musdb18 needs the program{'s' * (len(missing) > 1)} {' and '.join(missing)}, which "
                "this machine lacks; install FFmpeg (Debian: apt install ffmpeg) or use dataset=musdb18hq."
            )
        super().__init__(root, shared_artists)

    def load(self, entry: SongEntry) -> LoadedSong:
        """Decode a song's streams.

        Raises:
            InputFileError: naming the file, if it cannot be decoded or lacks a stream.
        """
        import stempeg

        path = Path(entry.details["paths"][0])
        streams = _musdb_setup()["stem_ids"]
        try:
            audio, rate = stempeg.read_stems(str(path), dtype=np.float32)
        except Exception as error:
            # stempeg passes on whatever ffmpeg, ffprobe or its own parsing of their output raise.
            raise InputFileError(f"{path} cannot be decoded ({type(error).__name__}); copy the file again.") from error
        if audio.ndim != 3 or audio.shape[0] <= max(streams.values()) or audio.shape[1] == 0:
            raise InputFileError(f"{path} does not hold the five streams of MUSDB18 whole; copy the file again.")
        return LoadedSong({stem: np.ascontiguousarray(audio[streams[stem]].T) for stem in STEMS}, int(rate))

    def _list(self, folder: Path) -> list[tuple[str, list[Path]]]:
        paths = sorted(folder.glob(f"*{STEM_SUFFIX}")) if folder.is_dir() else []
        return [(path.name.removesuffix(STEM_SUFFIX), [path]) for path in paths if not path.name.startswith(".")]


def artist_of(song_id: str) -> str:
    """The artist in a title of MUSDB18."""
    return song_id.split(" - ")[0]


@cache
def track_facts() -> Mapping[str, TrackFacts]:
    """Genre, source and licence of the songs of MUSDB18, by title."""
    with resources.files("mixlab.multitrack").joinpath("musdb18.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {row["Track Name"].strip(): TrackFacts(row["Genre"], row["Source"], row["License"]) for row in rows}


@cache
def validation_titles() -> frozenset[str]:
    """The training songs that the musdb package sets aside for validation."""
    return frozenset(_musdb_setup()["validation_tracks"])


@cache
def _musdb_setup() -> Mapping[str, Any]:
    # Importing musdb fails without FFmpeg, which WAV files do not need; its configuration is read from beside it.
    spec = util.find_spec("musdb")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("The package musdb is not installed; install mixlab again.")
    text = (Path(spec.submodule_search_locations[0]) / "configs" / "mus.yaml").read_text(encoding="utf-8")
    setup: Mapping[str, Any] = yaml.safe_load(text)
    return setup


def _tracks(paths: Sequence[Path]) -> list[Track]:
    return [Track(path, path.stem, read_header(path)) for path in paths]
