"""Room evaluation: baselines, the methods without a language model that every figure is reported beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mixlab.evaluation.baselines.base import Baseline, ListenedItem, predictions_of
from mixlab.evaluation.baselines.constant import BestConstant, Chance, MostCommon, TextOnly
from mixlab.evaluation.baselines.conv_regressor import ConvRegressor
from mixlab.evaluation.baselines.loudness import (
    LoudnessRule,
    LoudnessRuleGenre,
    LoudnessRuleSource,
    LoudnessRuleSourceGenre,
)
from mixlab.evaluation.baselines.oracle import Oracle
from mixlab.evaluation.baselines.ridge import Ridge
from mixlab.synthesis.draw import ErrorProtocol

BASELINES: dict[str, type[Baseline]] = {
    kind.name: kind
    for kind in (
        Chance,
        MostCommon,
        BestConstant,
        TextOnly,
        LoudnessRule,
        LoudnessRuleGenre,
        LoudnessRuleSource,
        LoudnessRuleSourceGenre,
        Ridge,
        ConvRegressor,
        Oracle,
    )
}
"""Every baseline by its name."""

NO_ORACLE = (
    "There is no oracle: it needs the typical balance of each genre and how far songs deviate from it, "
    "which are known for demo songs only."
)


def build_baselines(
    names: Sequence[str] = tuple(BASELINES),
    *,
    rounding_db: float = 1.0,
    seed: int = 0,
    balance_db: Mapping[str, Mapping[str, float]] | None = None,
    sigma_db: float | None = None,
    error: ErrorProtocol | None = None,
    right_claim_share: float = 0.5,
    cache_dir: Path | None = None,
) -> tuple[dict[str, Baseline], list[str]]:
    """The named baselines, unfitted, in the order of `names`.

    Args:
        names: keys of `BASELINES`.
        rounding_db: step of the advised gains.
        seed: of chance.
        balance_db: genre -> stem -> loudness relative to the bass; None where it is not known.
        sigma_db: deviation of songs from it; None where it is not known.
        error: how errors are drawn; None where it is not known.
        right_claim_share: the probability that a claim is right, for the oracle.
        cache_dir: where trained baselines are kept; None keeps none.

    Returns:
        Name -> baseline, and sentences about those that are not available.

    Raises:
        ValueError: if a name is unknown.
    """
    baselines: dict[str, Baseline] = {}
    notes: list[str] = []
    for name in names:
        if name not in BASELINES:
            raise ValueError(f"unknown baseline {name!r}; there are {', '.join(BASELINES)}")
        if name == Oracle.name:
            if balance_db is None or sigma_db is None or error is None:
                notes.append(NO_ORACLE)
                continue
            baselines[name] = Oracle(balance_db, sigma_db, error, rounding_db, right_claim_share)
        elif name == Chance.name:
            baselines[name] = Chance(rounding_db, seed, error.targets if error is not None else ())
        elif name == ConvRegressor.name:
            baselines[name] = ConvRegressor(rounding_db, cache_dir)
        else:
            baselines[name] = BASELINES[name](rounding_db)
    return baselines, notes


__all__ = [
    "BASELINES",
    "NO_ORACLE",
    "Baseline",
    "BestConstant",
    "Chance",
    "ConvRegressor",
    "ListenedItem",
    "LoudnessRule",
    "LoudnessRuleGenre",
    "LoudnessRuleSource",
    "LoudnessRuleSourceGenre",
    "MostCommon",
    "Oracle",
    "Ridge",
    "TextOnly",
    "build_baselines",
    "predictions_of",
]
