"""The best and the worst predictions of a report, in words and to be heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mixlab.errors import MixlabError
from mixlab.language.advice import Advice
from mixlab.reports.players import Heard
from mixlab.scoring.closed_loop import residuals_db
from mixlab.scoring.prediction import Prediction

log = logging.getLogger(__name__)

EXAMPLES = 6
"""How many of the best and of the worst predictions are shown."""


@dataclass(frozen=True)
class Example:
    """A prediction in words, and the sound of it where it was rendered."""

    item: str
    genre: str
    category: str
    anchor: str
    error: str
    prompt: str
    text: str
    understood: str
    reference: str
    left: str
    heard: Heard | None = None


def shown_examples(
    predictions: Sequence[Prediction], heard: Callable[[Prediction], Heard | None], audio_examples: int
) -> dict[str, list[Example]]:
    """The worst and the best predictions under their headings; the first `audio_examples` of each with sound.

    An example whose song cannot be read has none, and the log says why.
    """

    def sound(prediction: Prediction) -> Heard | None:
        try:
            return heard(prediction)
        except MixlabError as error:
            # What was measured in hours is not lost because a song has been moved since.
            log.warning("%s has no players in the report. %s", prediction.problem.item_id, error)
            return None

    best, worst = best_and_worst(predictions)
    return {
        heading: [_example(p, sound(p) if number < audio_examples else None) for number, p in enumerate(chosen)]
        for heading, chosen in (("Furthest from right", worst), ("Closest to right", best))
    }


def best_and_worst(predictions: Sequence[Prediction]) -> tuple[list[Prediction], list[Prediction]]:
    """The best predictions (jointly right, closest in dB) and the worst (wrong, most error left)."""
    # A balanced item has no distance; it comes after the items with an error, which say more.
    right = sorted((p for p in predictions if p.is_right), key=lambda p: p.distance_db if p.needed else float("inf"))
    wrong = sorted((p for p in predictions if not p.is_right), key=lambda p: -residuals_db([p])[0])
    return right[:EXAMPLES], wrong[:EXAMPLES]


def _example(prediction: Prediction, heard: Heard | None) -> Example:
    problem, advice = prediction.problem, prediction.advice
    errors = [f"{stem} {-gain_db:+.1f} dB" for stem, gain_db in problem.needed_gains_db.items()]
    return Example(
        item=problem.item_id,
        genre=problem.genre or "genre unknown",
        category=str(problem.prompt_category).replace("_", " "),
        anchor=problem.anchor,
        error=", ".join(errors) or "none, the mix is balanced",
        prompt=prediction.prompt,
        text=prediction.text,
        understood="nothing" if advice is None else _in_db(advice),
        reference=prediction.reference,
        left=f"{residuals_db([prediction])[0]:.1f} dB",
        heard=heard,
    )


def _in_db(advice: Advice) -> str:
    return ", ".join(f"{move.stem} {move.gain_db:+g} dB" for move in advice.moves) or "balanced"
