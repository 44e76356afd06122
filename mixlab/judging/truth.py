"""Room judging: what is wrong with a mix, in words, for a judge that hears nothing."""

from __future__ import annotations

from mixlab.language.advice import State
from mixlab.language.wording import is_plural, label_name, sentence_name
from mixlab.synthesis.problem import Problem

_CLAIMED = {State.TOO_LOUD: "too loud", State.TOO_QUIET: "too quiet"}


def describe(problem: Problem, prompt: str) -> str:
    """The mix, what it needs, and what the user said of it and whether that is so.

    Args:
        prompt: the user's sentence; empty where only audio was given.
    """
    genre = f" of {problem.genre}" if problem.genre else ""
    stems = ", ".join(label_name(stem) for stem in problem.stems)
    lines = [
        f"The mix is an excerpt{genre} of {problem.duration_s:g} seconds with these stems: {stems}.",
        f"The {sentence_name(problem.anchor)} is the anchor: its fader stays where it is, the others are set by it.",
        *_faults(problem),
        _said(problem, prompt),
    ]
    return "\n".join(lines)


def _faults(problem: Problem) -> list[str]:
    needed = problem.needed_gains_db
    if not needed:
        return ["Nothing is wrong: every stem is in balance. The right advice is to change nothing."]
    lines = []
    for stem, gain_db in needed.items():
        what, move = ("quiet", "raise") if gain_db > 0 else ("loud", "lower")
        verb, pronoun = ("are", "them") if is_plural(stem) else ("is", "it")
        lines.append(
            f"The {sentence_name(stem)} {verb} {abs(gain_db):.1f} dB too {what}: the right advice is to {move} "
            f"{pronoun} by {abs(gain_db):.1f} dB."
        )
    return [*lines, "All other stems are right."]


def _said(problem: Problem, prompt: str) -> str:
    if not prompt:
        return "The user said nothing and only asked for advice."
    said = f'The user said: "{prompt}"'
    if problem.claim is None:
        return said
    verdict = "right" if problem.holds(problem.claim) else "wrong"
    if problem.claim.stem is None:
        return f"{said} The claim that the mix is balanced is {verdict}."
    stem = sentence_name(problem.claim.stem)
    verb = "are" if is_plural(problem.claim.stem) else "is"
    return f"{said} The claim that the {stem} {verb} {_CLAIMED[problem.claim.state]} is {verdict}."
