"""Room advising: gains for other programs: a table, and a project that REAPER opens with the faders set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from mixlab.audio.levels import db_to_amplitude
from mixlab.escaping import csv_text, line

_SOURCES = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS"}
"""REAPER's names for what its other sources than WAVE read."""
_PANS = {None: 0, 0: -1, 1: 1}


@dataclass(frozen=True)
class TrackGain:
    """A file with the gain that it needs, relative to its fader as it is; `side` as of a `Track`."""

    name: str
    role: str
    gain_db: float
    duration_s: float
    side: int | None = None


def gains_csv(gains: Sequence[TrackGain]) -> str:
    """A table with one line a file; names that a spreadsheet would run as a formula start with an apostrophe."""
    return csv_text([["file", "role", "gain_db"], *([g.name, g.role, f"{g.gain_db:+.1f}"] for g in gains)])


def reaper_project(gains: Sequence[TrackGain]) -> str:
    """A REAPER project (.RPP): a track a file with its fader at the gain; it is saved in the folder of the files."""
    lines = ['<REAPER_PROJECT 0.1 "6.0" 0']
    for gain in gains:
        source = _SOURCES.get(PurePath(gain.name).suffix.lower(), "WAVE")
        lines += [
            f"  <TRACK\n    NAME {_quoted(f'{gain.name} ({gain.gain_db:+.1f} dB)')}",
            f"    VOLPAN {float(db_to_amplitude(gain.gain_db)):.8f} {_PANS[gain.side]} -1 -1 1",
            f"    <ITEM\n      POSITION 0\n      LENGTH {gain.duration_s:.6f}\n      NAME {_quoted(gain.name)}",
            f"      <SOURCE {source}\n        FILE {_quoted(gain.name)}\n      >\n    >\n  >",
        ]
    return "\n".join([*lines, ">", ""])


def _quoted(text: str) -> str:
    """REAPER quotes with whichever of its three marks the text lacks; where it has all, one is replaced."""
    text = line(text)
    for mark in ('"', "'", "`"):
        if mark not in text:
            return f"{mark}{text}{mark}"
    return f"`{text.replace('`', chr(39))}`"
