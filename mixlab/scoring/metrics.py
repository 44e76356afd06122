"""Metrics: what each is called, which way is better, where it stands, and how it comes from the outcomes of the items.

An outcome is a number per item, NaN where it does not apply; a metric is the mean of its outcome over the items where
it applies, or is computed from sums of several (see `derived`). Advice that did not parse is wrong in every metric.

A metric of one's own is one registration in a module that is named by ``plugins=[my_lab.module]``:

    METRICS.add(Metric("first_move_right", lambda prediction: ..., label="first move", heads=Heads.RESULTS))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mixlab.language.advice import Advice, Verdict
from mixlab.language.parse import Reading, parse
from mixlab.registry import Registry
from mixlab.scoring.prediction import Prediction

NAN = float("nan")
TOLERANCE_DB = 1e-9
"""Keeps a gain that is 1 dB away by rounding of floats within 1 dB."""

TOLERANCES_DB = (1, 2, 3, 6)
"""By how many dB an advised gain may miss the needed one: ``within_1_db`` and so on."""

Outcome = Callable[[Prediction], float]


@dataclass(frozen=True)
class Total:
    """The sum of an outcome and the number of items it goes over, of one sample or many: shape () or (samples,)."""

    sum: NDArray[np.float64]
    count: NDArray[np.float64]


Totals = Mapping[str, Total]


class Heads(IntEnum):
    """The tables in which a metric heads a column; one that has room for it leaves it to all smaller numbers, too."""

    NOTHING = 0
    """It is in metrics.json alone."""
    RESULTS = 1
    """The results of all methods."""
    GROUPS = 2
    """And the tables by prompt, stem, size, category and genre."""
    SCREEN = 3
    """And the terminal."""


@dataclass(frozen=True)
class Metric:
    """All that is known of a metric.

    Attributes:
        name: in metrics.json and in configurations; it ends in ``_db`` where the unit is dB.
        outcome: of one item; or several by name. Their means are averaged, unless `compute` or `is_ranked` say else.
        label: heading of its column.
        unit: ``share`` (between 0 and 1, with an interval to match), ``dB``, or nothing.
        lower_is_better: of all others more is.
        is_paired: whether two methods can be compared in it item by item: its items must not hang on the answers.
        heads: the tables that show it.
        short: its heading on a terminal.
        of_claims: goes over the items with a claim, which headline figures leave out.
        reads_claims: says nothing of a method that never sees what the user says.
        applies: whether the outcomes mean anything for a set of items; None: always.
        compute: the figure from the totals of its outcomes; NaN where it is not defined.
        is_ranked: it is Spearman's rank correlation of its two outcomes.
        was: name that it had; metrics.json holds it under that one, too.
    """

    name: str
    outcome: Outcome | Mapping[str, Outcome]
    label: str = ""
    unit: str = "share"
    lower_is_better: bool = False
    is_paired: bool = True
    heads: Heads = Heads.NOTHING
    short: str = ""
    of_claims: bool = False
    reads_claims: bool = False
    applies: Callable[[Sequence[Prediction]], bool] | None = None
    compute: Callable[[Totals], NDArray[np.float64]] | None = None
    is_ranked: bool = False
    was: str = ""

    def __post_init__(self) -> None:
        if self.unit == "dB" and not self.name.endswith("_db"):
            raise ValueError(f"the metric '{self.name}' is in dB, so its name has to end in _db")

    @property
    def heading(self) -> str:
        """What people read above its column."""
        return self.label or self.name.replace("_", " ")

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """Its outcomes by name; one alone has the name of the metric."""
        return {self.name: self.outcome} if callable(self.outcome) else self.outcome

    @property
    def is_comparable(self) -> bool:
        """Whether methods can be compared in it: it is a plain mean of one outcome over the same items."""
        return self.is_paired and len(self.outcomes) == 1 and self.compute is None

    @property
    def place(self) -> tuple[str, str]:
        """Where it is defined."""
        first = next(iter(self.outcomes.values()))
        return first.__module__, first.__qualname__


METRICS: Registry[Metric] = Registry("metric", "mixlab.scoring.metrics", "mixlab.scoring.derived")
"""Every metric by name, in the order of the tables."""


def outcomes(predictions: Sequence[Prediction], reads_claims: bool = True) -> dict[str, NDArray[np.float64]]:
    """The outcomes of all metrics.

    Args:
        predictions: one per item.
        reads_claims: False for a method that never sees what the user says; verdicts then apply nowhere.

    Returns:
        Outcome name -> float64 array of shape (items,), NaN where it does not apply.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for metric in METRICS.values():
        is_deaf = metric.reads_claims and not reads_claims
        left_out = is_deaf or (metric.applies is not None and not metric.applies(predictions))
        for name, outcome in metric.outcomes.items():
            if name not in found:
                values = [NAN if left_out else outcome(prediction) for prediction in predictions]
                found[name] = np.array(values, dtype=np.float64)
    return found


def of_faulty(outcome: Outcome) -> Outcome:
    """The same over items with an error alone."""
    return lambda prediction: outcome(prediction) if prediction.needed else NAN


def _directions_right(prediction: Prediction) -> float:
    """Whether the set of directions advised is the needed one, whatever the stems; none where balanced."""
    said, needed = prediction.advised.values(), prediction.needed.values()
    return prediction.advice is not None and set(said) == set(needed)


def _stems_right(prediction: Prediction) -> float:
    """Whether the set of stems advised is the needed one; none where balanced."""
    return prediction.advice is not None and prediction.advised.keys() == prediction.needed.keys()


def _called_balanced(prediction: Prediction) -> float:
    return NAN if prediction.needed else prediction.is_right


def false_alarm(prediction: Prediction) -> float:
    """Whether a balanced item was given a move."""
    return NAN if prediction.needed else bool(prediction.advised)


def missed_error(prediction: Prediction) -> float:
    """Whether an item with an error was given no move (called balanced, or not read)."""
    return not prediction.advised if prediction.needed else NAN


def _right_within(tolerance_db: float) -> Outcome:
    """Whether the advice is jointly right, and every gain at most so far from what is needed."""

    def outcome(prediction: Prediction) -> float:
        gain_db, excess_db = (prediction.advice or Advice()).gain_db, prediction.problem.excess_db
        return prediction.is_right and all(
            abs(excess_db(stem, gain_db(stem))) <= tolerance_db + TOLERANCE_DB for stem in prediction.needed
        )

    return outcome


def _in_range(prediction: Prediction) -> float:
    """The share of faulty stems whose advised gain lies within the range of the error's category, where it is known."""
    needed = prediction.problem.needed
    if not needed or any(error.range_db is None for error in prediction.problem.errors if error.error_db):
        return NAN
    gains_db = {gain.stem: (prediction.advice or Advice()).gain_db(gain.stem) for gain in needed}
    return float(np.mean([g.low_db - TOLERANCE_DB <= gains_db[g.stem] <= g.high_db + TOLERANCE_DB for g in needed]))


def _verdict_on(right_claim: bool) -> Outcome:
    """Whether right claims are confirmed, or wrong ones corrected; no verdict is wrong."""
    due = Verdict.of(right_claim)

    def outcome(prediction: Prediction) -> float:
        claim, advice = prediction.problem.claim, prediction.advice
        if claim is None or prediction.problem.holds(claim) != right_claim:
            return NAN
        return advice is not None and advice.verdict is due

    return outcome


def reading_of(prediction: Prediction) -> Reading:
    """Whether a response was read as advice; of one that was not, whether it speaks of other things than level."""
    if prediction.advice is not None:
        return Reading.READ
    is_aside = parse(prediction.text, prediction.problem.stems).reading is Reading.NOT_ABOUT_LEVEL
    return Reading.NOT_ABOUT_LEVEL if is_aside else Reading.NOT_READABLE


def _ended_as(reading: Reading) -> Outcome:
    return lambda prediction: reading_of(prediction) is reading


for _metric in (
    # The advice moves exactly the faulty stems, each in the right direction. Balanced is a class of its own: an item
    # without errors is right if the advice parsed and moves nothing.
    Metric("joint_accuracy", lambda p: p.is_right, "joint", heads=Heads.SCREEN, short="joint"),
    Metric("direction_accuracy", _directions_right, "direction", heads=Heads.SCREEN, short="direc-\ntion"),
    Metric("stem_accuracy", _stems_right, "stem", heads=Heads.GROUPS),
    # The share of balanced items that were called balanced. It was called balanced_accuracy, which elsewhere is a mean
    # over classes; that key stays beside it for one release.
    Metric("balanced_recall", _called_balanced, "balanced right", heads=Heads.SCREEN, short="bal-\nanced",
           was="balanced_accuracy"),
    # Over items whose faulty stems and no others were named, all directions are right.
    Metric("direction_given_stem", of_faulty(lambda p: p.is_right if _stems_right(p) else NAN),
           "direction, stem right", is_paired=False, heads=Heads.RESULTS),
    Metric("false_alarm_rate", false_alarm, "false alarms", lower_is_better=True),
    Metric("missed_error_rate", missed_error, "missed errors", lower_is_better=True),
    # The distance between the gain advised for the faulty stem and the one needed, which is minus the exact error
    # relative to the anchor, unrounded. Advice that names another stem, leaves or does not parse counts as 0 dB on the
    # faulty stem. With several faulty stems, the mean over them.
    Metric("gain_mae_db", lambda p: p.distance_db, "error dB", "dB", True, heads=Heads.SCREEN, short="error\ndB"),
    Metric("gain_mae_located_db", lambda p: p.distance_db if p.is_right else NAN, "error dB, located", "dB", True,
           is_paired=False, heads=Heads.RESULTS),
    # Jointly right, and the gain right to so many dB; a balanced mix that is called so needs none.
    *(Metric(f"within_{size_db}_db", _right_within(size_db), f"within {size_db} dB") for size_db in TOLERANCES_DB),
    Metric("magnitude_in_range", _in_range),
    Metric("parse_rate", lambda p: p.advice is not None, "parsed", heads=Heads.SCREEN, short="parsed"),
    # What became of the response: three shares that add up to 1.
    Metric("read", _ended_as(Reading.READ), is_paired=False),
    Metric("not_about_level", _ended_as(Reading.NOT_ABOUT_LEVEL), lower_is_better=True, is_paired=False,
           heads=Heads.RESULTS),
    Metric("not_readable", _ended_as(Reading.NOT_READABLE), lower_is_better=True, is_paired=False,
           heads=Heads.RESULTS),
    Metric("claimed_joint_accuracy", lambda p: NAN if p.problem.claim is None else p.is_right, "joint, claim given",
           heads=Heads.RESULTS, of_claims=True),
    Metric("verdict_balanced_accuracy",
           {"right_claim_confirmed": _verdict_on(True), "wrong_claim_corrected": _verdict_on(False)},
           "claims", heads=Heads.GROUPS, of_claims=True, reads_claims=True),
):  # fmt: skip
    METRICS.add(_metric)
