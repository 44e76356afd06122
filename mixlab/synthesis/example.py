"""Room synthesis: a problem made audible and readable: clips, labels, prompt and response; no chance in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.levels import apply_gain, db_to_amplitude
from mixlab.language.advice import Advice
from mixlab.language.templates import clip_label, render_prompt, render_response
from mixlab.synthesis.problem import Problem, PromptCategory


class Inputs(StrEnum):
    """Which clips the model hears."""

    STEMS = "stems"
    """The anchor's clip, then one for each other track."""
    ANCHOR_REST = "anchor_rest"
    """The anchor's clip, then the sum of the other tracks."""
    MIXTURE = "mixture"
    """One clip, the sum of all tracks; the anchor is only named."""


@dataclass(frozen=True)
class Clip:
    """One sound that the model hears, with the label that introduces it in the prompt.

    Attributes:
        stems: the stems that are summed in it.
        samples: shape (samples,), float32, mono at the model's rate.
    """

    label: str
    stems: tuple[str, ...]
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A problem with its clips, the user's sentence (empty for audio only) and the right response."""

    problem: Problem
    clips: tuple[Clip, ...]
    prompt: str
    response: str
    reference: Advice


def make_clips(
    stems: Mapping[str, NDArray[np.float32]],
    order: tuple[str, ...],
    anchor: str,
    inputs: Inputs,
    gains_db: Mapping[str, float],
) -> tuple[Clip, ...]:
    """Lay out stems as clips.

    Args:
        stems: samples of each stem, each of shape (samples,), which are left as they are.
        order: the stems to use, the anchor first.
        gains_db: applied to each stem, in float32 and without clipping.
    """
    if inputs is Inputs.MIXTURE:
        groups: list[tuple[str, ...]] = [order]
    elif inputs is Inputs.ANCHOR_REST:
        groups = [order[:1], order[1:]]
    else:
        groups = [(stem,) for stem in order]
    return tuple(
        Clip(clip_label(group, anchor), group, _mixed([(stems[stem], gains_db[stem]) for stem in group]))
        for group in groups
    )


def _mixed(parts: Sequence[tuple[NDArray[np.float32], float]]) -> NDArray[np.float32]:
    """Signals with their gains in dB, summed in their order.

    Every signal is read once, and one array beside the sum is written again and again: examples are made as fast as
    memory is read, so a copy counts.
    """
    (first, gain_db), *others = parts
    total = apply_gain(first, gain_db)
    scratch = np.empty_like(total) if others else total
    for signal, gain_db in others:
        total += np.multiply(signal, np.float32(db_to_amplitude(gain_db)), out=scratch)
    return total


def make_example(
    problem: Problem, stems: Mapping[str, NDArray[np.float32]], inputs: Inputs, reference: Advice
) -> Example:
    """Make a problem audible and readable.

    Args:
        stems: unmodified samples of the problem's stems, each of shape (samples,), float32.
        reference: the right advice, which the response puts into words.
    """
    heard = {**stems, **{stem: -stems[stem] for stem in problem.flipped}}
    gains_db = {stem: problem.heard_gain_db(stem) for stem in problem.stems}
    # One generator for each text, so that a change of the prompt bank does not reword the responses.
    prompt_rng = np.random.default_rng([problem.wording_seed, 0])
    response_rng = np.random.default_rng([problem.wording_seed, 1])
    prompt = (
        ""
        if problem.prompt_category is PromptCategory.AUDIO_ONLY
        else render_prompt(problem.claim, problem.anchor, prompt_rng)
    )
    return Example(
        problem=problem,
        clips=make_clips(heard, problem.stems, problem.anchor, inputs, gains_db),
        prompt=prompt,
        response=render_response(reference, problem.anchor, problem.claim, response_rng),
        reference=reference,
    )
