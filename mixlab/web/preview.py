"""Room web: what the players play: half a minute of each stem as a file, and gains that make all versions as loud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.levels import amplitude_to_db, apply_gain
from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.multitrack.tracks import RoleSums, channel_count, mixed
from mixlab.web.work import Work

WINDOW_S = 30.0
PEAK_DBFS = -1.0
HIGHEST_RATE = 48_000


@dataclass(frozen=True)
class Preview:
    """Stems as files, and for each version the gain of every stem.

    Attributes:
        files: role -> FLAC of `WINDOW_S` or less; a common gain keeps all below full scale.
        gains_db: version -> role -> gain in dB on the file; with them every version has the loudness `lufs`.
        lufs: None where there is no loudness to match, in near silence.
    """

    files: Mapping[str, Path]
    gains_db: Mapping[str, Mapping[str, float]]
    lufs: float | None
    start_s: float


def write_stems(work: Work, folder: Path, start_s: float) -> dict[str, Path]:
    """Write each role's part as the files have it, all with one gain where one would exceed `PEAK_DBFS`."""
    sums = RoleSums(work.heard)
    rate, channels = min(sums.sample_rate, HIGHEST_RATE), channel_count(sums.tracks)
    stems: dict[str, NDArray[np.float32]] = {}
    for role in sorted(sums):
        blocks = mixed(sums.of(role), rate, None, start_s, WINDOW_S, channels)
        stems[role] = np.concatenate([np.zeros((channels, 0), dtype=np.float32), *blocks], axis=1)
    longest = min(max(samples.shape[1] for samples in stems.values()), round(WINDOW_S * rate))
    peak = max(float(np.max(np.abs(samples), initial=0.0)) for samples in stems.values())
    trim_db = min(0.0, PEAK_DBFS - float(amplitude_to_db(peak)))
    files = {}
    for role, samples in stems.items():
        files[role] = folder / f"play-{role}.flac"
        whole = np.pad(samples, ((0, 0), (0, max(0, longest - samples.shape[1]))))[:, :longest]
        soundfile.write(files[role], apply_gain(whole, trim_db).T, rate, subtype="PCM_24")
    return files


def match(files: Mapping[str, Path], versions: Mapping[str, Mapping[str, float]], start_s: float) -> Preview:
    """Gains for versions of one mix with which all are as loud as each other, and none exceeds `PEAK_DBFS`.

    Args:
        versions: name -> role -> gain in dB, as a mixer would set it.
    """
    stems = {role: soundfile.read(path, dtype="float32", always_2d=True) for role, path in files.items()}
    rate = next(iter(stems.values()))[1]
    loudness, peaks = {}, {}
    for version, gains_db in versions.items():
        mix = np.sum([apply_gain(samples, gains_db.get(role, 0.0)) for role, (samples, _) in stems.items()], axis=0)
        loudness[version] = float(integrated_lufs(k_weighted_power(mix.T, rate)))
        peaks[version] = float(amplitude_to_db(np.max(np.abs(mix), initial=0.0)))
    lufs = min(loudness[version] + PEAK_DBFS - peaks[version] for version in versions)
    if not np.isfinite(lufs):
        return Preview(
            files, {v: {role: g.get(role, 0.0) for role in files} for v, g in versions.items()}, None, start_s
        )
    gains = {
        version: {role: gains_db.get(role, 0.0) + lufs - loudness[version] for role in files}
        for version, gains_db in versions.items()
    }
    return Preview(files, gains, lufs, start_s)
