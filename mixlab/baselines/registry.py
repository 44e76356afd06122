"""Room baselines: the rivals by name, and those of them that a data set allows."""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.baselines.anchor_deaf import AnchorDeaf
from mixlab.baselines.base import Baseline, Facts, NotAvailable
from mixlab.baselines.bayes_heard import BayesHeard, BayesKnown, BayesUnknown
from mixlab.baselines.boosting import Boosting
from mixlab.baselines.constant import BestConstant, Chance, MostCommon, TextOnly
from mixlab.baselines.conv_regressor import ConvRegressor
from mixlab.baselines.loudness import (
    LoudnessRule,
    LoudnessRuleGenre,
    LoudnessRuleSource,
    LoudnessRuleSourceGenre,
)
from mixlab.baselines.loudness_heard import LoudnessRuleHeard
from mixlab.baselines.oracle import Oracle
from mixlab.baselines.ridge import Ridge
from mixlab.registry import Registry

BASELINES: Registry[type[Baseline]] = Registry("baseline")
"""Every baseline by its name, in the order of the tables; a class of one's own is added with ``BASELINES.add``."""
for _kind in (
    Chance,
    MostCommon,
    BestConstant,
    TextOnly,
    LoudnessRule,
    LoudnessRuleHeard,
    LoudnessRuleGenre,
    LoudnessRuleSource,
    LoudnessRuleSourceGenre,
    BayesUnknown,
    BayesHeard,
    BayesKnown,
    AnchorDeaf,
    Ridge,
    Boosting,
    ConvRegressor,
    Oracle,
):
    BASELINES.add(_kind)


RULES = {
    "loudness_rule_genre": "the loudness rule that knows the genre",
    "loudness_rule": "the loudness rule",
}
"""The rules that a model has to beat, the better one first, as sentences call them."""


def build_baselines(names: Sequence[str], facts: Facts) -> tuple[dict[str, Baseline], list[str]]:
    """The named baselines, unfitted, in the order of `names`.

    Returns:
        Name -> baseline, and sentences about those that are not available.

    Raises:
        ConfigError: if a name is unknown.
    """
    baselines: dict[str, Baseline] = {}
    notes: list[str] = []
    for name in names:
        try:
            baselines[name] = BASELINES[name].of(facts)
        except NotAvailable as reason:
            notes.append(str(reason))
    return baselines, notes
