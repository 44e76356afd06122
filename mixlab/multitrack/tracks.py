"""Room multitrack: the tracks of one song: whether they fit together, and their sums by role."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.blocks import resampled, summed
from mixlab.audio.files import AudioHeader, read_blocks
from mixlab.audio.hearing import MONO_LOSS_DB, Heard, hear
from mixlab.audio.levels import apply_gain
from mixlab.errors import InputFileError

LENGTH_TOLERANCE_S = 0.1
"""Files of one song that differ by less than this are padded to the longest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Track:
    """An audio file of a song.

    Attributes:
        called: what sentences call it; None for its path.
        side: the channel of a stereo recording that a mono file is: 0 left, 1 right, None for both.
    """

    path: Path
    role: str
    header: AudioHeader
    called: str | None = None
    side: int | None = None

    @property
    def name(self) -> str:
        """The last part of what it is called."""
        return PurePath(self.called or self.path).name


_SIDE = re.compile(
    r"(?<![^\W_])(?i:(?P<left>l|left|links)|(?P<right>r|right|rechts))(?![^\W_])"
    r"|(?<=[a-z])(?:(?P<Left>L|Left)|(?P<Right>R|Right))(?![^\W_])"
)
"""A side in a file's name, as a word of its own (``drums.L``, ``drums_l``, ``drums (Left)``) or as in ``drumsL``."""


def with_sides(tracks: Sequence[Track]) -> list[Track]:
    """The tracks of a song, with a side for those that are the left and right channel of one recording.

    Two mono files of one role and folder are one where their names differ in the word for the side alone. Taken for two
    mono tracks they would be summed, which is 6 dB too loud.
    """
    groups: dict[tuple[str, ...], tuple[list[Track], list[Track]]] = {}
    for track in tracks:
        called = PurePath(track.called or track.path)
        found = list(_SIDE.finditer(called.name))
        if track.header.channels == 1 and found:
            word, start, end = found[-1][0].casefold(), *found[-1].span()
            is_right = word.startswith("r")
            # As many letters tell which word for the right goes with which word for the left.
            kind = {"l": "r", "left": "right", "links": "rechts"}.get(word, word)
            around = called.name[:start].casefold(), called.name[end:].casefold()
            groups.setdefault((track.role, str(called.parent), kind, *around), ([], []))[is_right].append(track)
    pairs = [(left[0], right[0]) for left, right in groups.values() if len(left) == len(right) == 1]
    sides = {track: side for pair in pairs for side, track in enumerate(pair)}
    return [replace(track, side=sides.get(track)) for track in tracks]


def side_notes(tracks: Sequence[Track]) -> list[str]:
    """A sentence on files that are taken for the two sides of one recording; none where there are none."""
    names = [track.name for track in sorted(tracks, key=lambda t: t.called or str(t.path)) if track.side is not None]
    return [f"Heard as the left and right channel of one stereo track each: {', '.join(names)}."] if names else []


def check_tracks(folder: Path, tracks: Sequence[Track], tolerance_s: float) -> None:
    """Check by their headers that a song's tracks can be summed, and log what will be resampled.

    Args:
        folder: of the song, for the message.
        tracks: of the song.
        tolerance_s: by how much the tracks' durations may differ.

    Raises:
        InputFileError: naming the folder if there are no tracks, or the file of another length.
    """
    if not tracks:
        raise InputFileError(
            f"{folder} holds no stems; a song's folder needs one audio file a stem, such as bass.wav and drums.wav."
        )
    check_together(tracks, tolerance_s, "dataset.length_tolerance_s")
    for note in side_notes(tracks):
        log.info("'%s': %s", folder.name, note)
    rates = sorted({track.header.sample_rate for track in tracks})
    if len(rates) > 1:
        log.info("'%s' has files at %s Hz; they are resampled to %d Hz", folder.name, rates, rates[-1])


def check_together(tracks: Sequence[Track], tolerance_s: float, key: str | None = None) -> None:
    """Check that files start and end together, as far as they tell: by their time references and their lengths.

    Args:
        tolerance_s: by how much they may differ.
        key: of the configuration, which sets the tolerance; None where nothing does.

    Raises:
        InputFileError: naming the two that differ most.
    """
    starts = {track: track.header.start_s for track in tracks if track.header.start_s is not None}
    ends = {track: track.header.duration_s for track in tracks}
    for times, says in ((starts, "starts at {:.2f} s of its time reference (BWF)"), (ends, "is {:.2f} s long")):
        if times and max(times.values()) - min(times.values()) >= tolerance_s:
            first, last = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
            raise InputFileError(
                f"{first.called or first.path} {says.format(times[first])} and {last.name} {times[last]:.2f} s; export "
                "the tracks of a song from the same start to the same end"
                f"{'' if key is None else f', or raise {key} if they start together'}."
            )


def delay_notes(tracks: Sequence[Track]) -> list[str]:
    """A sentence on files of which it cannot be known when they start; none where there are none."""
    late = [track.name for track in tracks if not track.header.delay_is_known]
    if not late:
        return []
    return [
        f"{', '.join(late)}: MP3 without its encoder's delay, so its sound may start some 25 ms late beside the other "
        "tracks; WAV and FLAC start where they should."
    ]


Watch = Callable[[Track, NDArray[np.float32]], None]
"""Sees each block of each track, with its gain, at the track's own rate and channels."""


def mixed(
    tracks: Sequence[Track],
    sample_rate: int,
    gains_db: Mapping[str, float] | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    channels: int | None = None,
    watch: Watch | None = None,
) -> Iterator[NDArray[np.float32]]:
    """The sum of tracks, block by block; shorter tracks end in silence.

    Mono goes to both channels of a stereo sum, or to the one whose side it is.

    Args:
        sample_rate: of the sum, in Hz.
        gains_db: by role; 0 for others.
        start_s, duration_s: the part of the tracks that is read, as of `read_blocks`.
        channels: of the sum; None for as many as the tracks have.

    Raises:
        InputFileError: naming a file that cannot be read.
    """

    def signal(track: Track) -> Iterator[NDArray[np.float32]]:
        for block in read_blocks(track.path, start_s, duration_s):
            changed = apply_gain(block, (gains_db or {}).get(track.role, 0.0))
            if watch is not None:
                watch(track, changed)
            yield changed

    signals = [(resampled(signal(track), track.header.sample_rate, sample_rate), track.side) for track in tracks]
    return summed(signals, channels or channel_count(tracks))


def channel_count(tracks: Sequence[Track]) -> int:
    """How many channels the sum of tracks has."""
    return max(2 if track.side is not None else track.header.channels for track in tracks)


def highest_rate(tracks: Sequence[Track]) -> int:
    """The highest sample rate of tracks, in Hz, at which they are summed."""
    return max(track.header.sample_rate for track in tracks)


def hear_role(tracks: Sequence[Track], model_rate: int, gains_db: Mapping[str, float] | None = None) -> Heard:
    """The sum of the tracks of one role as a model hears it."""
    rate = highest_rate(tracks)
    return hear(lambda: mixed(tracks, rate, gains_db), rate, model_rate)


def heard_notes(name: str, heard: Heard) -> list[str]:
    """A sentence on sound that a model hears otherwise than people do; none where it does not.

    Args:
        name: of the file or files.
    """
    notes = []
    if heard.had_offset:
        notes.append(f"{name}: a constant offset (DC) is left out of what is measured and heard.")
    if heard.mono_loss_db > MONO_LOSS_DB:
        lost = "all sound" if heard.mono_loss_db > 60.0 else f"{heard.mono_loss_db:.0f} dB"
        notes.append(
            f"{name}: in mono, which is what the model hears, {lost} is lost, since the channels cancel each other; if "
            "one is inverted, invert it back."
        )
    return notes


@dataclass(frozen=True)
class RoleSums(Mapping[str, NDArray[np.float32]]):
    """The sums of a song's tracks by role, at the highest rate among them; decoded when they are asked for."""

    tracks: Sequence[Track]

    @cached_property
    def sample_rate(self) -> int:
        """In Hz."""
        return highest_rate(self.tracks)

    def of(self, role: str) -> list[Track]:
        """The tracks of a role."""
        return [track for track in self.tracks if track.role == role]

    def names(self, role: str) -> str:
        """The names of a role's files, in a sentence."""
        return ", ".join(track.name for track in self.of(role))

    def notes(self, heard: Mapping[str, Heard]) -> list[str]:
        """Sentences on what a user may not expect of the files, and of what was heard of each role."""
        of_heard = [note for role, one in heard.items() for note in heard_notes(self.names(role), one)]
        return [*side_notes(self.tracks), *delay_notes(self.tracks), *of_heard]

    def blocks(self, role: str) -> Iterator[NDArray[np.float32]]:
        """A role's sum block by block; it may end before those of other roles."""
        return mixed(self.of(role), self.sample_rate)

    def __getitem__(self, role: str) -> NDArray[np.float32]:
        return self._whole[role]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(track.role for track in self.tracks))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @cached_property
    def _whole(self) -> dict[str, NDArray[np.float32]]:
        """All sums whole, of shape (channels, frames) and of one length."""
        sums = {role: np.concatenate(list(self.blocks(role)), axis=1) for role in self}
        frames = max(samples.shape[1] for samples in sums.values())
        return {role: np.pad(samples, ((0, 0), (0, frames - samples.shape[1]))) for role, samples in sums.items()}
