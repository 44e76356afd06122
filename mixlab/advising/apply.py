"""Room advising: the advice applied to the user's files, rendered from the sources at their own rate and channels."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.files import read_audio, resample, write_audio
from mixlab.audio.levels import apply_gain
from mixlab.audio.loudness import true_peak_dbtp
from mixlab.errors import ConfigError, InputFileError

MIX_NAME = "mix.wav"


class Source(Protocol):
    """What rendering has to know of a track: its file, its role, its rate in Hz and its channels."""

    @property
    def path(self) -> Path: ...
    @property
    def role(self) -> str: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...


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


def render(plan: Plan, tracks: Sequence[Source], gains_db: Mapping[str, float]) -> Rendered:
    """Write every track with its role's gain, and their sum.

    The mix has the highest rate and channel count of the tracks: mono goes to both channels, shorter tracks end in
    silence. If a track or the mix would exceed full scale, all files get the
    same trim, rounded down to 0.1 dB.

    Raises:
        InputFileError: if a file cannot be written.
    """
    rate = max(track.sample_rate for track in tracks)
    mix = np.zeros((max(track.channels for track in tracks), 0), dtype=np.float32)
    peak = 0.0
    for track in tracks:
        samples = apply_gain(read_audio(track.path)[0], gains_db.get(track.role, 0.0))
        peak = max(peak, float(np.max(np.abs(samples))))
        mix = add_to_mix(mix, resample(samples, track.sample_rate, rate))
    peak = max(peak, float(np.max(np.abs(mix))))
    trim_db = _trim_db(peak)
    written = []
    try:
        for track in tracks:
            samples = apply_gain(read_audio(track.path)[0], gains_db.get(track.role, 0.0) + trim_db)
            written.append(_write(plan.outputs[track.path], samples, track.sample_rate))
        mix = apply_gain(mix, trim_db)
        written.append(_write(plan.mix, mix, rate))
    except (OSError, RuntimeError) as error:
        raise InputFileError(f"{plan.mix.parent} cannot be written to ({error}); choose another folder.") from error
    return Rendered(tuple(written), trim_db, round(true_peak_dbtp(mix, rate), 2))


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputFileError(f"apply is {folder}, but {existing} cannot be written to; choose another folder.")


def _trim_db(peak: float) -> float:
    # A thousandth of a dB more, so that rounding to float32 cannot reach full scale again.
    return math.floor((-20.0 * math.log10(peak) - 1e-3) * 10.0) / 10.0 if peak > 1.0 else 0.0


def add_to_mix(mix: NDArray[np.float32], samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """`mix` grown to the length of `samples`, of shape (channels, frames), and their sum."""
    missing = samples.shape[1] - mix.shape[1]
    if missing > 0:
        mix = np.pad(mix, ((0, 0), (0, missing)))
    mix[:, : samples.shape[1]] += samples
    return mix


def _write(path: Path, samples: NDArray[np.float32], sample_rate: int) -> Path:
    """Write a file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        write_audio(part, samples, sample_rate)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
