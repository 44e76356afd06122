"""Room multitrack: composes a demo song from a seed; all that chance decides is drawn here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from mixlab.multitrack.demo.genres import ANCHOR, Genre, genre_named
from mixlab.multitrack.demo.parts import write_bass, write_drums, write_other, write_vocals
from mixlab.multitrack.demo.score import STEPS_PER_BAR, STEPS_PER_BEAT, Composition, Outline, Section
from mixlab.multitrack.song import STEMS

_WRITERS = {"bass": write_bass, "drums": write_drums, "vocals": write_vocals, "other": write_other}
_FORM = ("intro", "verse", "chorus", "verse", "bridge", "chorus")
_FORM_LEVEL_DB = {"intro": -2.0, "verse": -0.5, "chorus": 1.5, "bridge": 0.5}
_STEM_LEVEL_SIGMA_DB = 0.8
_COLOUR_SIGMA_DB = 0.4
_REGISTER_SEMITONES = {"bass": 3.0, "drums": 0.0, "vocals": 2.5, "other": 4.0}
"""How far up or down a song moves the register of a role."""
_BARS_BELOW_100_BPM, _BARS_ABOVE = 2, 4


def stream(seed: int, name: str) -> Generator:
    """Chance for one purpose within a song: the same for equal (seed, name), independent otherwise."""
    return np.random.default_rng(np.random.SeedSequence([seed, *name.encode()]))


def compose(
    seed: int, genre: str | Genre, shifted: bool = False, duration_s: float = 20.0, sigma_db: float = 1.5
) -> Composition:
    """A song of a genre, a pure function of its arguments.

    Args:
        seed: the song's own seed, not negative.
        genre: the name of a genre, or the genre itself.
        shifted: whether tempo and timbres come from the ranges that training songs never use.
        duration_s: length of the song in seconds.
        sigma_db: standard deviation of a stem's loudness around its genre's balance, in LU, drawn for each stem but
            the bass.

    Raises:
        ConfigError: if there is no such genre.
    """
    style = genre_named(genre) if isinstance(genre, str) else genre
    outline = _outline(stream(seed, "outline"), style, shifted, duration_s)
    choice = stream(seed, "timbres")
    timbres, colour, parts = {}, {}, {}
    for role in STEMS:
        pool = style.timbre_pool(role, shifted)
        timbres[role] = pool[int(choice.integers(len(pool)))]
        colour[role] = float(choice.normal(0.0, _COLOUR_SIGMA_DB))
        moved = _REGISTER_SEMITONES[role] * float(choice.uniform(-1.0, 1.0))
        parts[role] = replace(style.parts[role], centre_midi=style.parts[role].centre_midi + moved)
    balance = stream(seed, "balance")
    deviation_db = {ANCHOR: 0.0}
    for role in STEMS:
        if role != ANCHOR:
            deviation_db[role] = sigma_db * float(balance.standard_normal())
    return Composition(
        seed=seed,
        genre=style.name,
        shifted=shifted,
        outline=outline,
        notes={role: _WRITERS[role](stream(seed, role), outline, parts[role]) for role in STEMS},
        timbres=timbres,
        colour=colour,
        deviation_db=deviation_db,
        target_db={role: style.balance_db[role] + deviation_db[role] for role in STEMS},
    )


def _outline(rng: Generator, genre: Genre, shifted: bool, duration_s: float) -> Outline:
    slow, fast = genre.shifted_tempo_bpm if shifted else genre.tempo_bpm
    tempo_bpm = float(rng.uniform(slow, fast))
    bars = int(np.ceil(duration_s * tempo_bpm * STEPS_PER_BEAT / 60.0 / STEPS_PER_BAR))
    section_bars = _BARS_BELOW_100_BPM if tempo_bpm < 100 else _BARS_ABOVE
    place = int(rng.integers(len(_FORM)))
    sections = []
    for first_bar in range(0, bars + 1, section_bars):
        name = _FORM[place % len(_FORM)]
        stem_level_db = {role: float(rng.normal(0.0, _STEM_LEVEL_SIGMA_DB)) for role in STEMS}
        sections.append(Section(name, first_bar, section_bars, _FORM_LEVEL_DB[name], stem_level_db))
        place += 1
    return Outline(
        tempo_bpm=tempo_bpm,
        swing=genre.swing,
        tonic=int(rng.integers(12)),
        mode=str(rng.choice(list(genre.modes))),
        progression=genre.progressions[int(rng.integers(len(genre.progressions)))],
        sections=tuple(sections),
        duration_s=float(duration_s),
    )
