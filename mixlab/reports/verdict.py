"""The first line of every result, which says whether listening with a language model was worth it."""

from __future__ import annotations

from collections.abc import Mapping

from mixlab.baselines.registry import BASELINES
from mixlab.multitrack.statistics import UNKNOWN_GENRE

NO_RIVAL = "No rival was evaluated, so nothing is said about what the model adds to one."


def verdict(figures: Mapping[str, float], subject: str = "The model") -> str:
    """Whether the model beats its rivals in joint accuracy on the same items, whichever way it came out.

    First comes the strongest rival that knows no more than the model, then of those that are told more the strongest of
    each kind, and what the best listener of one such clip could reach.

    Args:
        figures: of metrics.json, where ``model_lead`` is the paired difference with its interval.
        subject: what the sentence calls the model.
    """
    genres_known = any(k.startswith("test/genre=") and f"={UNKNOWN_GENRE}/" not in k for k in figures)
    strongest: dict[str, str] = {}
    for name in sorted(BASELINES, key=lambda name: -figures.get(f"baselines/{name}/joint_accuracy", 0.0)):
        told = BASELINES[name].told
        if f"baselines/{name}/model_lead" in figures and (genres_known or "genre" not in told):
            strongest.setdefault(told, name)
    if not strongest:
        return NO_RIVAL
    sentences = []
    if (fair := strongest.pop("", None)) is not None:
        label = BASELINES[fair].label
        sentences.append(_compared(figures, subject, fair, f"the strongest rival that knows no more than it ({label})"))
    else:
        told, name = next(iter(strongest.items()))
        sentences.append(_compared(figures, subject, name, f"the {BASELINES[name].label}, which is told {told}"))
        del strongest[told]
    if strongest:
        others = [
            f"{BASELINES[name].label} {figures[f'baselines/{name}/joint_accuracy']:.3f} "
            f"(told {told}; {points(figures[f'baselines/{name}/model_lead'])} points)"
            for told, name in strongest.items()
        ]
        sentences.append(f"Beside those that know more: {'; '.join(others)}.")
    if (ceiling := figures.get("ceiling/joint_accuracy")) is not None:
        low, high = figures["ceiling/joint_accuracy_low"], figures["ceiling/joint_accuracy_high"]
        sentences.append(
            f"The best listener of one clip of such songs would reach {ceiling:.3f} ({low:.3f} to {high:.3f})."
        )
    sentences += _without_the_anchor(figures)
    return " ".join(sentences)


def _without_the_anchor(figures: Mapping[str, float]) -> list[str]:
    """What is left with another song's anchor, beside a listener that is deaf to the anchor."""
    probe = "probe/other_anchor"
    if f"{probe}/joint_accuracy" not in figures:
        return []
    left, drop = figures[f"{probe}/joint_accuracy"], figures[f"{probe}/drop"]
    low, high = points(figures[f"{probe}/drop_low"]), points(figures[f"{probe}/drop_high"])
    said = (
        f"Of its {left + drop:.3f} on {figures[f'{probe}/items']:.0f} of these items, {left:.3f} is left with the "
        f"anchor of another song (95 % interval of the drop: {low} to {high} points)"
    )
    beside = {"bayes_heard": "Bayes, who hears the anchor,", "anchor_deaf": "Bayes, who never does,"}
    rivals = [
        f"{label} has {figures[f'{probe}/{name}/joint_accuracy']:.3f} there"
        for name, label in beside.items()
        if f"{probe}/{name}/joint_accuracy" in figures
    ]
    return [f"{'; '.join([said, *rivals])}."]


def _compared(figures: Mapping[str, float], subject: str, name: str, rival: str) -> str:
    lead = f"baselines/{name}/model_lead"
    if figures[f"{lead}_low"] > 0:
        said = f"{subject} beats {rival}"
    elif figures[f"{lead}_high"] < 0:
        said = f"{subject} does not beat {rival}, which is ahead"
    else:
        said = f"{subject} does not clearly beat {rival}, nor the rival the model"
    own, other = figures["test/joint_accuracy"], figures[f"baselines/{name}/joint_accuracy"]
    return (
        f"{said}: joint accuracy {own:.3f} against {other:.3f} on the same {figures['test/items']:.0f} items of "
        f"{figures['test/songs']:.0f} songs, a difference of {points(figures[lead])} points (95 % interval, paired and "
        f"resampled by song: {points(figures[f'{lead}_low'])} to {points(figures[f'{lead}_high'])})"
        f"{_left(figures, name)}."
    )


def _left(figures: Mapping[str, float], name: str) -> str:
    """How much error advice leaves, beside the rival's: a wrong stem that is moved far costs here."""
    left = "closed_loop/residual_db"
    if left not in figures or f"baselines/{name}/{left}" not in figures:
        return ""
    return (
        f"; its advice leaves {figures[left]:.2f} dB of error, the rival's {figures[f'baselines/{name}/{left}']:.2f}, "
        f"and none {figures['closed_loop/do_nothing_residual_db']:.2f}"
    )


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: ``+1.9``."""
    rounded = round(100.0 * share, 1)
    sign = "" if rounded == 0 else "+" if rounded > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(rounded):.1f}"
