"""Room web: demo songs with an error in them, for who has no stems at hand; what is wrong with them is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixlab.audio.files import write_audio
from mixlab.audio.levels import apply_gain
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.song import as_float32
from mixlab.web.uploads import Limits, Upload, check_audio

RATE_HZ = 44_100
DURATION_S = 20.0


@dataclass(frozen=True)
class DemoSong:
    """A test song that no training has heard, and the error that is put into it."""

    title: str
    genre: str
    stem: str
    error_db: float
    number: int


SONGS = (
    DemoSong("Rock, one stem off", "rock", "vocals", -8.0, 0),
    DemoSong("House, one stem off", "house", "drums", 9.0, 1),
    DemoSong("Jazz, one stem off", "jazz", "other", 7.0, 2),
    DemoSong("Folk, as it should be", "folk", "vocals", 0.0, 3),
)


def write_demo(song: DemoSong, folder: Path) -> list[Upload]:
    """Render a song with its error into WAV files, all with one gain where one would exceed full scale."""
    source = DemoSource(0, 0, song.number + 1, 0, DURATION_S, RATE_HZ, genres=[song.genre])
    loaded = source.load(source.entries()[song.number])
    stems = {
        stem: apply_gain(as_float32(samples), song.error_db if stem == song.stem else 0.0)
        for stem, samples in loaded.stems.items()
    }
    peak = max(float(np.max(np.abs(samples))) for samples in stems.values())
    uploads = []
    for stem, samples in stems.items():
        path = folder / f"{stem}.wav"
        write_audio(path, samples / np.float32(max(peak, 1.0)), loaded.sample_rate)
        uploads.append(check_audio(path, path.name, Limits()))
    return uploads
