"""Room multitrack: any multitracks as a source, `dataset=folder`: one folder a song, one audio file a stem."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import AudioHeader, is_audio_file, read_audio, read_header, resample
from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.roles import is_mixture, role_of
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry

FOLDER_VERSION = 1
"""Part of a song's identity; raise it when other samples come from the same files."""

LENGTH_TOLERANCE_S = 0.1
"""Files of one song that differ by less than this are padded to the longest."""

UNREADABLE = frozenset({".m4a", ".aac", ".wma", ".ape", ".wv", ".mka", ".alac", ".mp4"})
"""Audio that soundfile does not read; left out in silence it would be a missing stem."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Track:
    path: Path
    role: str
    header: AudioHeader

    @property
    def duration_s(self) -> float:
        return self.header.frames / self.header.sample_rate


class FolderSource:
    """Songs of a folder: each sub-folder a song (its name is the id), each audio file in it a track.

    File names map to roles (``roles.yaml``: ``Kick In.wav`` is drums, ``12_LeadVox.flac`` vocals); files of one role
    are summed at unity gain, and files named as the mixture are left out. Files of several rates are resampled to the
    song's highest. Lengths may differ by less than `LENGTH_TOLERANCE_S`.

    Songs are split by a shuffle with `seed`: each share rounds to whole songs, but to one at least where it is above
    zero, and one song at least is left to train on. Fewer songs than that takes is an error, since a split without
    songs should be somebody's choice (a share of 0). Splits do not depend on the anchor.

    Args:
        root: the folder that holds the songs' folders.
        validation_share, test_share: of the songs; 0 for no such split.
        seed: of the shuffle.

    Raises:
        ConfigError: naming the share that cannot work.
    """

    def __init__(self, root: str, validation_share: float = 0.15, test_share: float = 0.25, seed: int = 0) -> None:
        for name, share in (("validation_share", validation_share), ("test_share", test_share)):
            if not 0.0 <= share < 1.0:
                raise ConfigError(f"dataset.{name} is {share}; set it to a share from 0 up to, but not, 1.")
        if validation_share + test_share >= 1.0:
            raise ConfigError(
                f"dataset.validation_share and dataset.test_share sum to {validation_share + test_share:g}; "
                "lower them, so that songs are left to train on."
            )
        if seed < 0:
            raise ConfigError(f"dataset.seed is {seed}; set it to 0 or more.")
        self.root = Path(root).expanduser()
        self.validation_share, self.test_share, self.seed = float(validation_share), float(test_share), int(seed)

    def identity(self, entry: SongEntry) -> Mapping[str, Any]:
        """The role of each of the song's files, as JSON; neither their names nor the split, which are no audio."""
        return {"source": "folder", "version": FOLDER_VERSION, "roles": [role for _, role in entry.details["tracks"]]}

    def files(self, entry: SongEntry) -> Sequence[Path]:
        """The song's files."""
        return [Path(path) for path, _ in entry.details["tracks"]]

    def entries(self) -> Sequence[SongEntry]:
        """All songs, sorted by id. Reads the header of every file, but no audio.

        Raises:
            InputFileError: naming the folder or file, if there is no such folder, no song or stem in it, or a file
                that is broken, has an unknown name or another length than the rest of its song.
            ConfigError: if there are fewer songs than splits.
        """
        splits = self._splits(list(self._songs))
        return [
            SongEntry(
                song_id=song_id,
                split=splits[song_id],
                details={"tracks": [(str(track.path), track.role) for track in tracks]},
            )
            for song_id, tracks in self._songs.items()
        ]

    def load(self, entry: SongEntry) -> LoadedSong:
        """Read a song's files and sum those of one role; at the highest rate among them.

        Raises:
            InputFileError: naming the file, if it cannot be read, or channels or lengths do not fit.
        """
        read = {path: (role, *read_audio(Path(path))) for path, role in entry.details["tracks"]}
        sample_rate = max(rate for _, _, rate in read.values())
        tracks = {path: (role, resample(samples, rate, sample_rate)) for path, (role, samples, rate) in read.items()}
        durations = {Path(path): samples.shape[1] / sample_rate for path, (_, samples) in tracks.items()}
        _check_lengths(durations)
        frames = max(samples.shape[1] for _, samples in tracks.values())
        by_role: dict[str, dict[str, NDArray[np.float32]]] = defaultdict(dict)
        for path, (role, samples) in tracks.items():
            by_role[role][path] = np.pad(samples, ((0, 0), (0, frames - samples.shape[1])))
        return LoadedSong({role: _sum(parts) for role, parts in by_role.items()}, sample_rate)

    @cached_property
    def _songs(self) -> dict[str, list[_Track]]:
        """The tracks of every song, by song id, both sorted by name."""
        folders, loose = _children(self.root)
        if loose:
            raise InputFileError(
                f"{self.root} holds audio files itself ({loose[0].name}); put the files of each song into a folder of "
                "its own and set dataset.root to the folder above."
            )
        if not folders:
            raise InputFileError(f"{self.root} holds no song folders; dataset.root needs one folder a song.")
        return {folder.name: _tracks_of(folder) for folder in folders}

    def _splits(self, song_ids: list[str]) -> dict[str, str]:
        shares = {"validation": self.validation_share, "test": self.test_share}
        counts = {split: max(1, round(share * len(song_ids))) for split, share in shares.items() if share > 0}
        if len(song_ids) < len(counts) + 1:
            raise ConfigError(
                f"{self.root} holds {len(song_ids)} song(s), and a split into training, {' and '.join(counts)} songs "
                f"needs {len(counts) + 1}; add songs or set "
                f"{' or '.join(f'dataset.{split}_share' for split in counts)} to 0."
            )
        while sum(counts.values()) >= len(song_ids):
            counts[max(counts, key=lambda split: counts[split])] -= 1
        names = ["train"] * (len(song_ids) - sum(counts.values()))
        names += [split for split, count in counts.items() for _ in range(count)]
        order = np.random.default_rng(self.seed).permutation(len(song_ids))
        return {song_ids[index]: name for index, name in zip(order, names, strict=True)}


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the audio files in `folder`, sorted by name, hidden ones left out."""
    if not folder.exists():
        raise InputFileError(f"{folder} does not exist; set dataset.root to a folder with one folder a song.")
    if not folder.is_dir():
        raise InputFileError(f"{folder} is not a folder; set dataset.root to a folder with one folder a song.")
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith((".", "__MACOSX")))
    except OSError as error:
        raise InputFileError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error
    files = [child for child in children if child.is_file()]
    for file in files:
        if file.suffix.lower() in UNREADABLE:
            raise InputFileError(f"{file} has a format that is not read; convert it to WAV or FLAC.")
    return [child for child in children if child.is_dir()], [file for file in files if is_audio_file(file)]


def _tracks_of(folder: Path) -> list[_Track]:
    tracks = []
    for file in _children(folder)[1]:
        role = role_of(file.name)
        if role is None and is_mixture(file.name):
            continue
        if role is None:
            raise InputFileError(
                f"{file} has a name that tells no single role; name it after {', '.join(STEMS)} or an instrument, or "
                "remove it."
            )
        tracks.append(_Track(file, role, read_header(file)))
    if not tracks:
        raise InputFileError(
            f"{folder} holds no stems; a song's folder needs one audio file a stem, such as bass.wav and drums.wav."
        )
    _check_lengths({track.path: track.duration_s for track in tracks})
    rates = sorted({track.header.sample_rate for track in tracks})
    if len(rates) > 1:
        log.info("'%s' has files at %s Hz; they are resampled to %d Hz", folder.name, rates, rates[-1])
    return tracks


def _check_lengths(durations: Mapping[Path, float]) -> None:
    shortest, longest = min(durations, key=durations.__getitem__), max(durations, key=durations.__getitem__)
    if durations[longest] - durations[shortest] >= LENGTH_TOLERANCE_S:
        raise InputFileError(
            f"{shortest} is {durations[shortest]:.2f} s long and {longest.name} {durations[longest]:.2f} s; "
            "export the tracks of a song from the same start to the same end."
        )


def _sum(parts: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The sum of tracks of one role, each of shape (channels, frames); a mono track goes to all channels alike."""
    channels = {path: samples.shape[0] for path, samples in parts.items() if samples.shape[0] > 1}
    if len(set(channels.values())) > 1:
        (first, *_, last) = sorted(channels, key=channels.__getitem__)
        raise InputFileError(
            f"{first} has {channels[first]} channels and {Path(last).name} {channels[last]}, and both are of one role; "
            "export them with the same channels."
        )
    total = np.zeros((max(channels.values(), default=1), next(iter(parts.values())).shape[1]), dtype=np.float32)
    for samples in parts.values():
        total += samples
    return total
