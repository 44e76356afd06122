"""Room advising: the advice applied to the user's files, rendered from the sources at their own rate and channels."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.loudness import true_peak_dbtp
from mixlab.errors import ConfigError, InputFileError, StorageError
from mixlab.multitrack.tracks import Track, channel_count, highest_rate, mixed
from mixlab.storage import whole_file

MIX_NAME = "mix.wav"


@dataclass(frozen=True)
class Plan:
    """Where each file will be written: `outputs` maps a source file to its rebalanced copy."""

    outputs: Mapping[Path, Path]
    mix: Path


@dataclass(frozen=True)
class Rendered:
    """What was written, the mix last.

    Attributes:
        trim_db: the one gain (0 or less) that all files share so that none exceeds full scale.
        true_peak_dbtp: of the mix as written (BS.1770-4, annex 2); it may exceed 0 where no sample does.
    """

    files: tuple[Path, ...]
    trim_db: float
    true_peak_dbtp: float


def plan_outputs(folder: Path, sources: Sequence[Path], overwrite: bool) -> Plan:
    """Names for the rebalanced files, all WAV; files of one name are numbered. Nothing is written yet.

    Raises:
        ConfigError: if the folder has content and `overwrite` is off, or an output would replace a source.
        InputFileError: if the path is no folder or cannot be written to.
    """
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ConfigError(f"The folder {folder} is not empty; choose another as apply=, or add overwrite=true.")
    _check_writable(folder)
    taken = {MIX_NAME}
    outputs = {}
    for source in sources:
        name, number = f"{source.stem}.wav", 2
        while name.casefold() in taken:
            name, number = f"{source.stem}_{number}.wav", number + 1
        taken.add(name.casefold())
        outputs[source] = folder / name
    originals = {source.resolve() for source in sources}
    for path in (*outputs.values(), folder / MIX_NAME):
        if path.resolve() in originals:
            raise ConfigError(
                f"{path} is one of your own tracks and would be replaced; choose another folder as apply=."
            )
    return Plan(outputs, folder / MIX_NAME)


def render(plan: Plan, tracks: Sequence[Track], gains_db: Mapping[str, float]) -> Rendered:
    """Write every track with its role's gain, and their sum; block by block, and everything whole or not at all.

    The mix has the highest rate and channel count of the tracks: mono goes to both channels, shorter tracks end in
    silence. If a track or the mix would exceed full scale, all files get the same trim, rounded down to 0.1 dB.

    Raises:
        InputFileError: if a file cannot be read.
        StorageError: if one cannot be written.
    """
    rate, channels = highest_rate(tracks), channel_count(tracks)
    peaks = [0.0]
    for block in mixed(tracks, rate, gains_db, watch=lambda _, own: peaks.append(_peak(own))):
        peaks.append(_peak(block))
    trim_db = _trim_db(max(peaks))
    trimmed = {track.role: gains_db.get(track.role, 0.0) + trim_db for track in tracks}
    try:
        with ExitStack() as opened:
            files = {
                track: opened.enter_context(
                    _writer(plan.outputs[track.path], track.header.sample_rate, track.header.channels)
                )
                for track in tracks
            }
            mix = opened.enter_context(_writer(plan.mix, rate, channels))

            def written() -> Iterator[NDArray[np.float32]]:
                for block in mixed(tracks, rate, trimmed, watch=lambda track, own: files[track].write(own.T)):
                    mix.write(block.T)
                    yield block

            true_peak = true_peak_dbtp(written(), rate)
    except (soundfile.SoundFileError, AssertionError) as error:
        # soundfile asserts that all was written, which is not so on a full disk.
        reason = str(error) or "no space is left"
        raise StorageError(f"{plan.mix.parent} cannot be written to ({reason}); choose another folder.") from error
    outputs = (*(plan.outputs[track.path] for track in tracks), plan.mix)
    return Rendered(outputs, trim_db, round(true_peak, 2))


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputFileError(f"apply is {folder}, but {existing} cannot be written to; choose another folder.")


def _trim_db(peak: float) -> float:
    # A thousandth of a dB more, so that rounding to float32 cannot reach full scale again.
    return math.floor((-20.0 * math.log10(peak) - 1e-3) * 10.0) / 10.0 if peak > 1.0 else 0.0


def _peak(samples: NDArray[np.float32]) -> float:
    return float(np.max(np.abs(samples), initial=0.0))


@contextmanager
def _writer(path: Path, sample_rate: int, channels: int) -> Iterator[soundfile.SoundFile]:
    """A 24-bit WAV to write to, which appears at its place when it is whole."""
    with (
        whole_file(path) as part,
        soundfile.SoundFile(part, "w", sample_rate, channels, "PCM_24", format="WAV") as file,
    ):
        yield file
