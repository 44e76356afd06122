"""Simulated songs whose loudness is known exactly, without audio: what baselines listen to in tests, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mixlab.baselines.base import ListenedItem
from mixlab.language.advice import Claim, State
from mixlab.multitrack.segments import Segment
from mixlab.synthesis.draw import draw_problem
from mixlab.synthesis.problem import GainError, Problem, PromptCategory
from mixlab.synthesis.protocol import ErrorProtocol, ProblemProtocol, PromptProtocol
from tests.conftest import train_settings

STEMS = ("bass", "drums", "vocals", "other")
BALANCE_DB = {
    "rock": {"drums": 3.0, "vocals": 2.0, "other": -1.0},
    "jazz": {"drums": -4.0, "vocals": 4.0, "other": 2.0},
    "techno": {"drums": 6.0, "vocals": -5.0, "other": -3.0},
}
SIGMA_DB = 1.5
MELS, FRAMES = 6, 4

Draw = Callable[..., list[ListenedItem]]


def _claim(rng: np.random.Generator, right: Claim, is_right: bool, candidates: tuple[str, ...]) -> Claim:
    if is_right:
        return right
    moves = [Claim(state, stem) for stem in candidates for state in (State.TOO_LOUD, State.TOO_QUIET)]
    wrong = [claim for claim in [*moves, Claim(State.BALANCED)] if claim != right]
    return wrong[int(rng.integers(len(wrong)))]


def _draw(
    songs: int,
    per_song: int = 4,
    seed: int = 0,
    anchor: str = "bass",
    prompts: tuple[PromptCategory, ...] = (PromptCategory.AUDIO_ONLY,),
    section_db: float = 0.0,
) -> list[ListenedItem]:
    rng = np.random.default_rng(seed)
    categories = list(_default_error().categories.items())
    candidates = tuple(stem for stem in STEMS if stem != anchor)
    stems = (anchor, *candidates)
    items = []
    for song in range(songs):
        genre = list(BALANCE_DB)[song % len(BALANCE_DB)]
        song_lufs = {"bass": -20.0} | {
            stem: -20.0 + level_db + SIGMA_DB * rng.standard_normal() for stem, level_db in BALANCE_DB[genre].items()
        }
        for index in range(per_song):
            name, category = categories[int(rng.integers(len(categories)))]
            errors = ()
            if not category.is_balanced:
                stem, error_db = candidates[int(rng.integers(3))], float(rng.uniform(*category.range_db))
                errors = (GainError(stem, error_db, name, category.range_db),)
            prompt = prompts[int(rng.integers(len(prompts)))]
            right = Claim(State.BALANCED)
            if errors:
                right = Claim(State.TOO_LOUD if errors[0].error_db > 0 else State.TOO_QUIET, errors[0].stem)
            claim = None
            if prompt.has_claim:
                claim = _claim(rng, right, prompt is PromptCategory.CORRECT_DESCRIPTION, candidates)
            master_db = float(rng.uniform(-6, 6))
            song_id = f"song{seed}-{song}"
            problem = Problem(
                f"{song_id}/{index}", song_id, "test", genre, 0.0, 10.0, anchor, stems, errors, name, prompt, claim,
                0.0, master_db, 0,
            )  # fmt: skip
            heard = {
                stem: song_lufs[stem] + section_db * rng.standard_normal() + problem.error_db(stem) + master_db
                for stem in stems
            }
            log_mel = np.stack(
                [
                    0.25 * (heard[stem] / 10.0) + 0.02 * rng.standard_normal((MELS, FRAMES)) + 0.1 * STEMS.index(stem)
                    for stem in stems
                ]
            ).astype(np.float32)
            reference = replace(problem.right_advice, verdict=None)
            items.append(ListenedItem(problem, reference, heard, song_lufs, log_mel, tuple((s,) for s in stems)))
    return items


@pytest.fixture(scope="session")
def draw() -> Draw:
    """A function that draws items of simulated songs."""
    return _draw


def _draw_by(
    error: ErrorProtocol, anchor: str, songs: int, seed: int = 0, section_db: float = 0.0
) -> list[ListenedItem]:
    """Items of simulated songs whose problems are drawn by a protocol of errors, four a song."""
    prompt = PromptProtocol(weights={PromptCategory.AUDIO_ONLY: 1.0})
    level = train_settings().data.level.but(headroom_dbfs=-18.0, master_range_db=6.0)
    protocol = ProblemProtocol(anchor, error, prompt, level)
    rng = np.random.default_rng(seed)
    items = []
    for song in range(songs):
        genre = list(BALANCE_DB)[song % len(BALANCE_DB)]
        deviations_db = dict(zip(STEMS[1:], SIGMA_DB * rng.standard_normal(3), strict=True))
        song_lufs = {"bass": -20.0} | {
            stem: -20.0 + level_db + deviations_db[stem] for stem, level_db in BALANCE_DB[genre].items()
        }
        for index in range(4):
            segment = Segment(f"song{seed}-{song}", "test", genre, index, 10.0, tuple(sorted(STEMS)), -18.0, song_lufs)
            problem = draw_problem(segment, protocol, rng, f"{segment.song_id}/{index}")
            heard = {
                stem: song_lufs[stem] + section_db * rng.standard_normal() + problem.heard_gain_db(stem)
                for stem in problem.stems
            }
            log_mel = np.stack([np.full((MELS, FRAMES), 0.025 * heard[stem]) for stem in problem.stems])
            log_mel += 0.02 * rng.standard_normal(log_mel.shape)
            clip_stems = tuple((stem,) for stem in problem.stems)
            reference = problem.right_advice
            items.append(ListenedItem(problem, reference, heard, song_lufs, log_mel.astype(np.float32), clip_stems))
    return items


@pytest.fixture(scope="session")
def draw_by() -> Draw:
    """A function that draws items by a protocol of errors and an anchor."""
    return _draw_by


@pytest.fixture(scope="session")
def error() -> ErrorProtocol:
    """The default protocol of errors."""
    return _default_error()


@cache
def _default_error() -> ErrorProtocol:
    return train_settings().error


@pytest.fixture(scope="session")
def balance_db() -> dict[str, dict[str, float]]:
    """The balance that simulated songs deviate from, by genre, relative to the bass."""
    return BALANCE_DB
