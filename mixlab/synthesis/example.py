"""Room synthesis: a problem made audible and readable: clips, labels, prompt and response; no chance in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.levels import apply_gain, db_to_amplitude
from mixlab.errors import ConfigError
from mixlab.language.advice import Advice
from mixlab.language.banks import Banks, default_banks
from mixlab.language.templates import clip_label, render_prompt, render_response
from mixlab.multitrack.statistics import UsualBalance
from mixlab.registry import Registry
from mixlab.synthesis.problem import Problem, PromptCategory
from mixlab.synthesis.reasons import measured_reasons

Groups = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Layout:
    """A way to lay out the stems of an example as the clips that the model hears, of the group `inputs`.

    It travels to the processes that make examples, so its functions are those of a module.

    Attributes:
        label: what the model hears, in a few words.
        groups: from the stems, the anchor first, to those of each clip, in the order of the prompt.
        introduce: the words that stand before a clip in the prompt, from its stems and the anchor.
        audible: whether the model hears the clips; those that it does not are named, with what a meter shows of them.
    """

    name: str
    label: str
    groups: Callable[[tuple[str, ...]], Groups]
    introduce: Callable[[Sequence[str], str], str] = clip_label
    audible: bool = True

    @property
    def has_anchor_clip(self) -> bool:
        """Whether the first clip is the anchor alone, beside which a meter can show the others."""
        return tuple(self.groups(("anchor", "one", "other"))[0]) == ("anchor",)

    def most_clips(self, stems: int) -> int:
        """How many clips an example has at most where songs have so many stems.

        Raises:
            ConfigError: if a clip is empty, or holds what is no stem.
        """
        counts = []
        for count in range(2, max(2, stems) + 1):
            order = tuple(f"stem_{number}" for number in range(count))
            groups = self.groups(order)
            if not groups or not all(group and set(group) <= set(order) for group in groups):
                raise ConfigError(f"The input layout '{self.name}' makes of the stems {order} the clips {groups}.")
            counts.append(len(groups))
        return max(counts)


def _each(order: tuple[str, ...]) -> Groups:
    return [(stem,) for stem in order]


def _anchor_rest(order: tuple[str, ...]) -> Groups:
    return [order[:1], order[1:]]


def _all(order: tuple[str, ...]) -> Groups:
    return [order]


LAYOUTS: Registry[Layout] = Registry("input layout", __name__)
"""Input layouts by the name that ``inputs.layout`` gives."""
for _layout in (
    Layout("stems", "the anchor, then each other track", _each),
    Layout("anchor_rest", "the anchor, then the sum of the other tracks", _anchor_rest),
    Layout("mixture", "the sum of all tracks; the anchor is only named", _all),
    Layout("none", "nothing; each track is only named, with what a meter shows of it", _each, audible=False),
):
    LAYOUTS.add(_layout)


@dataclass(frozen=True)
class Clip:
    """One sound that the model hears, with the label that introduces it in the prompt.

    Attributes:
        stems: the stems that are summed in it.
        samples: shape (samples,), float32, mono at the model's rate.
        lufs: its integrated loudness, where that is known without measuring `samples`.
        audible: whether the model hears it.
        reading_db: what the model is told of its level as a number, NaN where a meter shows nothing; None where it is
            told none.
    """

    label: str
    stems: tuple[str, ...]
    samples: NDArray[np.float32]
    lufs: float | None = None
    audible: bool = True
    reading_db: float | None = None

    @property
    def has_slot(self) -> bool:
        """Whether something stands for it in a conversation beside its label."""
        return self.audible or self.reading_db is not None


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
    layout: Layout,
    gains_db: Mapping[str, float],
    lufs: Mapping[str, float] | None = None,
) -> tuple[Clip, ...]:
    """Lay out stems as clips.

    Args:
        stems: samples of each stem, each of shape (samples,), which are left as they are.
        order: the stems to use, the anchor first.
        gains_db: applied to each stem, in float32 and without clipping.
        lufs: integrated loudness of each stem before its gain, as it is heard; None where nobody measured.
    """
    clips = []
    for group in layout.groups(order):
        samples = _mixed([(stems[stem], gains_db[stem]) for stem in group])
        # A gain moves the loudness of one stem by as much; that of a sum is measured where somebody asks.
        known = lufs[group[0]] + gains_db[group[0]] if lufs is not None and len(group) == 1 else None
        clips.append(Clip(layout.introduce(group, anchor), group, samples, known, layout.audible))
    return tuple(clips)


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
    problem: Problem,
    stems: Mapping[str, NDArray[np.float32]],
    layout: Layout,
    banks: Banks | None = None,
    lufs: Mapping[str, float] | None = None,
    usual: UsualBalance | None = None,
) -> Example:
    """Make a problem audible and readable.

    Args:
        stems: unmodified samples of the problem's stems, each of shape (samples,), float32.
        banks: of what is said; None for those that come with the package.
        lufs: integrated loudness of each of `stems` as it is heard; None where nobody measured.
        usual: the balance of songs as it is heard, for reasons; None where the response gives none.
    """
    banks, reference = banks or default_banks(), problem.right_advice
    heard = {**stems, **{stem: -stems[stem] for stem in problem.flipped}}
    gains_db = {stem: problem.heard_gain_db(stem) for stem in problem.stems}
    # One generator for each text, so that a change of the prompt bank does not reword the responses.
    prompt_rng = np.random.default_rng([problem.wording_seed, 0])
    response_rng = np.random.default_rng([problem.wording_seed, 1])
    asks = problem.prompt_category is not PromptCategory.AUDIO_ONLY
    reasons = None if usual is None or lufs is None else measured_reasons(problem, lufs, usual)
    said = (problem.unseen_wording and banks.prompts.held_out) or banks.prompts
    return Example(
        problem=problem,
        clips=make_clips(heard, problem.stems, problem.anchor, layout, gains_db, lufs),
        prompt=render_prompt(problem.claim, problem.anchor, prompt_rng, said) if asks else "",
        response=render_response(reference, problem.anchor, problem.claim, response_rng, banks.responses, reasons),
        reference=reference,
    )
