"""The first line of every result, which says whether listening with a language model was worth it."""

from __future__ import annotations

from collections.abc import Mapping

from mixlab.baselines.registry import RULES
from mixlab.multitrack.statistics import UNKNOWN_GENRE

NO_RULE = "No loudness rule was evaluated, so nothing is said about what the model adds to one."


def verdict(figures: Mapping[str, float], subject: str = "The model") -> str:
    """Whether the model beats the loudness rule in joint accuracy on the same items, whichever way it came out.

    The rule is the one that knows the genre where any genre is known.

    Args:
        figures: of metrics.json, where ``model_lead`` is the paired difference with its interval.
        subject: what the sentence calls the model.
    """
    genres_known = any(k.startswith("test/genre=") and f"={UNKNOWN_GENRE}/" not in k for k in figures)
    for name, rule in RULES.items():
        lead = f"baselines/{name}/model_lead"
        if lead not in figures or (name != "loudness_rule" and not genres_known):
            continue
        low, high = figures[f"{lead}_low"], figures[f"{lead}_high"]
        if low > 0:
            said = f"{subject} beats {rule}"
        elif high < 0:
            said = f"{subject} does not beat {rule}, which is ahead"
        else:
            said = f"{subject} does not clearly beat {rule}, nor the rule the model"
        own, other = figures["test/joint_accuracy"], figures[f"baselines/{name}/joint_accuracy"]
        return (
            f"{said}: joint accuracy {own:.3f} against {other:.3f} on the same {figures['test/items']:.0f} items of "
            f"{figures['test/songs']:.0f} songs, a difference of {points(figures[lead])} points "
            f"(95 % interval, paired and resampled by song: {points(low)} to {points(high)})."
        )
    return NO_RULE


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: ``+1.9``."""
    rounded = round(100.0 * share, 1)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(rounded):.1f}"
