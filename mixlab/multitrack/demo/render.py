"""Room multitrack: turns the score of a demo song into stems that stand at the loudness its genre asks for."""

from __future__ import annotations

import numpy as np
import pyloudnorm
from numpy.typing import NDArray

from mixlab.audio.levels import db_to_amplitude
from mixlab.multitrack.demo.compose import stream
from mixlab.multitrack.demo.drums import render_drums
from mixlab.multitrack.demo.genres import ANCHOR
from mixlab.multitrack.demo.score import Composition
from mixlab.multitrack.demo.tones import render_tones
from mixlab.multitrack.demo.voices import render_voice
from mixlab.multitrack.song import STEMS, LoadedSong

RENDERER_VERSION = 1
"""Raised whenever the same seed would sound different."""

MIXTURE_PEAK_DBFS = -6.0
STEM_PEAK_DBFS = -1.0
"""No stem peaks above this, even where stems cancel in the mixture."""
_FULL_SCALE = 32767.0


def render(composition: Composition, sample_rate: int = 16000) -> LoadedSong:
    """The stems of a song, mono, shape (1, frames), 16-bit integers as in a bounce.

    Each stem is brought to its measured integrated loudness relative to the bass (`composition.target_db`); then one
    gain for the whole song puts the peak of the mixture at `MIXTURE_PEAK_DBFS`.
    """
    stems = {role: render_stem(composition, role, sample_rate) for role in STEMS}
    meter = pyloudnorm.Meter(sample_rate)
    loudness = {role: float(meter.integrated_loudness(stem)) for role, stem in stems.items()}
    for role, stem in stems.items():
        gain_db = loudness[ANCHOR] + composition.target_db[role] - loudness[role]
        stem *= np.float32(db_to_amplitude(gain_db))
    mixture = np.sum(list(stems.values()), axis=0)
    loudest = max(float(np.max(np.abs(stem))) for stem in stems.values())
    gain = min(
        float(db_to_amplitude(MIXTURE_PEAK_DBFS)) / float(np.max(np.abs(mixture))),
        float(db_to_amplitude(STEM_PEAK_DBFS)) / loudest,
    )
    return LoadedSong(
        stems={role: _to_int16(stem * np.float32(gain)) for role, stem in stems.items()}, sample_rate=sample_rate
    )


def render_stem(composition: Composition, role: str, sample_rate: int) -> NDArray[np.float32]:
    """One stem before its loudness is set, shape (frames,)."""
    frames = round(composition.duration_s * sample_rate)
    rng = stream(composition.seed, f"noise of {role}")
    notes, timbre, colour_db = composition.notes[role], composition.timbres[role], composition.colour[role]
    if role == "drums":
        return render_drums(rng, notes, timbre, colour_db, frames, sample_rate)
    if role == "vocals":
        return render_voice(rng, notes, timbre, colour_db, frames, sample_rate)
    return render_tones(rng, notes, role, timbre, colour_db, frames, sample_rate)


def _to_int16(stem: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(stem * np.float32(_FULL_SCALE)).astype(np.int16)[np.newaxis]
