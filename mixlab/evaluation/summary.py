"""Room evaluation: the first line of every result, which says whether listening with a language model was worth it."""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import compare

RULE = "the loudness rule that knows the genre"


def headline_sentence(
    model_predictions: Sequence[Prediction], rule_predictions: Sequence[Prediction], rule: str = RULE, seed: int = 0
) -> str:
    """Whether the model beats the rule in joint accuracy on the same headline items, whichever way it came out.

    Args:
        model_predictions: of the model.
        rule_predictions: of the rule, for the same items in any order.
        rule: what the sentence calls the rule.
        seed: of the bootstrap.

    Raises:
        ValueError: if the items differ.
    """
    found = compare(model_predictions, rule_predictions, "joint_accuracy", seed=seed)
    if found.low > 0:
        verdict = f"The model beats {rule}"
    elif found.high < 0:
        verdict = f"The model does not beat {rule}, which is ahead"
    else:
        verdict = f"The model does not clearly beat {rule}, nor the rule the model"
    return (
        f"{verdict}: joint accuracy {found.mean_a:.3f} against {found.mean_b:.3f} on the same {found.items} items of "
        f"{found.songs} songs, a difference of {points(found.difference)} points "
        f"(95 % interval, paired and resampled by song: {points(found.low)} to {points(found.high)})."
    )


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: ``+1.9``."""
    rounded = round(100.0 * share, 1)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(rounded):.1f}"
