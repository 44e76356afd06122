"""Room multitrack: writes the bass, drum, vocal and accompaniment parts of a demo song from patterns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from mixlab.multitrack.demo.genres import DRUM_VOICES, Part, pattern
from mixlab.multitrack.demo.score import CHORDS, STEPS_PER_BAR, Note, Notes, Outline, Section

_STROKES_DB = {"X": 0.0, "x": -3.0, "o": -9.0}
_TIMING_S = 0.004
_ACCENT_DB = 0.8
_FILL_STEPS = (12, 13, 14, 15)


def strokes(bar_pattern: str) -> Iterator[tuple[int, int, str]]:
    """The notes of a bar written as 16 characters: (first step, length in steps, symbol) of each."""
    step = 0
    while step < len(bar_pattern):
        symbol, end = bar_pattern[step], step + 1
        while end < len(bar_pattern) and bar_pattern[end] == "-":
            end += 1
        if symbol not in ".-":
            yield step, end - step, symbol
        step = end


def _level_db(rng: Generator, section: Section, role: str) -> float:
    return section.level_db + section.stem_level_db[role] + rng.normal(0.0, _ACCENT_DB)


def _span_s(rng: Generator, outline: Outline, bar: int, step: int, length: int) -> tuple[float, float]:
    first = bar * STEPS_PER_BAR + step
    start_s = max(0.0, outline.time_s(first) + rng.normal(0.0, _TIMING_S))
    return start_s, max(0.03, outline.time_s(first + length) - start_s)


def _two_patterns(rng: Generator, part: Part) -> dict[bool, str]:
    quiet, loud = rng.choice(len(part.patterns), size=2)
    return {False: part.patterns[quiet], True: part.patterns[loud]}


def write_bass(rng: Generator, outline: Outline, part: Part) -> Notes:
    """A line on roots, thirds and fifths of the chords, with steps that lead to the next bar."""
    chosen = _two_patterns(rng, part)
    notes = []
    for bar in range(outline.bars):
        section = outline.section_of(bar)
        degree = outline.root_of(bar)
        root = outline.pitch_near(degree, part.centre_midi)
        leading = outline.pitch_near(outline.root_of(bar + 1), part.centre_midi) + int(rng.choice([-1, 1, 2]))
        above = {step: outline.pitch_of(degree + step) - outline.pitch_of(degree) for step in (2, 4)}
        pitches = {"R": root, "T": root + above[2], "F": root + above[4], "O": root + 12, "L": leading}
        for step, length, symbol in strokes(pattern("bass", chosen[section.loud])):
            start_s, span_s = _span_s(rng, outline, bar, step, length)
            notes.append(Note(start_s, part.gate * span_s, pitches[symbol], _level_db(rng, section, "bass")))
    return Notes.of(notes)


def write_drums(rng: Generator, outline: Outline, part: Part) -> Notes:
    """A beat for each section, without the snare in an intro, and a fill where a section ends."""
    chosen = _two_patterns(rng, part)
    notes = []
    for bar in range(outline.bars):
        section = outline.section_of(bar)
        fill = bar == section.first_bar + section.bars - 1 and rng.random() < 0.6
        for voice, bar_pattern in pattern("drums", chosen[section.loud]).items():
            if section.name == "intro" and voice == "snare":
                continue
            for step, _, symbol in strokes(bar_pattern):
                if fill and step in _FILL_STEPS and voice in ("snare", "hat"):
                    continue
                level_db = _level_db(rng, section, "drums") + _STROKES_DB[symbol]
                start_s, _ = _span_s(rng, outline, bar, step, 1)
                notes.append(Note(start_s, 0.0, 0.0, level_db, DRUM_VOICES.index(voice)))
        if fill:
            drum = DRUM_VOICES.index(str(rng.choice(["tom", "snare"])))
            for step in _FILL_STEPS:
                start_s, _ = _span_s(rng, outline, bar, step, 1)
                level_db = _level_db(rng, section, "drums") - 6.0 + step - _FILL_STEPS[0]
                notes.append(Note(start_s, 0.0, 0.0, level_db, drum))
    return Notes.of(notes)


def write_vocals(rng: Generator, outline: Outline, part: Part) -> Notes:
    """A melody that walks through the scale around the middle of its register and meets the chord on strong beats."""
    chosen = _two_patterns(rng, part)
    notes = []
    home = 7 * round(part.centre_midi / 12)
    degree = min(range(home - 7, home + 8), key=lambda place: abs(outline.pitch_of(place) - part.centre_midi))
    centre = degree
    for bar in range(outline.bars):
        section = outline.section_of(bar)
        chord = {(outline.root_of(bar) + tone) % 7 for tone in (0, 2, 4)}
        reach = centre + (1 if section.loud else 0)
        for step, length, _ in strokes(pattern("vocals", chosen[section.loud])):
            degree += int(rng.choice([-2, -1, -1, 0, 0, 1, 1, 2]))
            degree = int(np.clip(degree, reach - 3, reach + 3))
            if step % 8 == 0 and degree % 7 not in chord:
                neighbours = [degree + move for move in (-1, 1) if (degree + move) % 7 in chord]
                degree = min(neighbours, key=lambda place: abs(place - reach))
            start_s, span_s = _span_s(rng, outline, bar, step, length)
            level_db = _level_db(rng, section, "vocals") + rng.normal(0.0, _ACCENT_DB)
            sound = int(rng.integers(0, 1 << 8))
            notes.append(Note(start_s, part.gate * span_s, outline.pitch_of(degree), level_db, sound))
    return Notes.of(notes)


def write_other(rng: Generator, outline: Outline, part: Part) -> Notes:
    """Chords or broken chords, voiced close to the middle of the register."""
    chosen = _two_patterns(rng, part)
    notes = []
    for bar in range(outline.bars):
        section = outline.section_of(bar)
        tones = chord_near(outline, outline.root_of(bar), part)
        for step, length, symbol in strokes(pattern("other", chosen[section.loud])):
            start_s, span_s = _span_s(rng, outline, bar, step, length)
            level_db = _level_db(rng, section, "other")
            played = tones if symbol == "C" else [tones[(int(symbol) - 1) % len(tones)]]
            for place, pitch in enumerate(played):
                delay_s = place * part.strum_s
                notes.append(Note(start_s + delay_s, max(0.03, part.gate * span_s - delay_s), pitch, level_db))
    return Notes.of(notes)


def chord_near(outline: Outline, root: int, part: Part) -> list[int]:
    """MIDI notes of a chord, from low to high, the lowest about a third below the middle of the register."""
    degrees = [root + tone for tone in CHORDS[part.chord]]
    lowest = outline.pitch_near(degrees[0], part.centre_midi - 4)
    return [lowest + outline.pitch_of(degree) - outline.pitch_of(degrees[0]) for degree in degrees]
