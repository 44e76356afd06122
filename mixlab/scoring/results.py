"""what was measured of all methods on a split of items."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from mixlab.scoring.bootstrap import Figure, flat_figures
from mixlab.scoring.calibration import Calibration
from mixlab.scoring.closed_loop import ClosedLoop
from mixlab.scoring.comparison import Comparison
from mixlab.scoring.conventions import Conventions
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.paired import Difference
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.probe import Probe
from mixlab.scoring.psychometric import Curve
from mixlab.scoring.scores import Scores

OWN_SPLIT = "test_own"
"""The test songs with the errors and prompts that a run trains on, where those are not the held-out ones."""


HEARD: dict[str, int | None] = {
    "joint_accuracy": 1,
    "segments_2/joint_accuracy": 2,
    "segments_4/joint_accuracy": 4,
    "segments_all/joint_accuracy": None,
}
"""The ceilings of a listener, as they lie below ``ceiling/`` among the figures: how many segments of a song are heard,
None for all of them."""

Kind = Literal["model", "control", "baseline"]
"""What a row of the results is."""


@dataclass(frozen=True)
class Row:
    """A method's line in the results table.

    Attributes:
        method: its name, such as ``model`` or ``ridge``.
        kind: the model itself, a variant of it for comparison, or a method without a language model.
        detail: what sets it apart from other rows of its method, such as how long it was trained.
        lead: the model's joint accuracy minus this method's on the same items, paired; None for the model itself.
    """

    method: str
    kind: Kind
    scores: Scores
    closed_loop: ClosedLoop | None = None
    detail: str = ""
    lead: Difference | None = None

    def figure(self, column: str) -> Figure | None:
        """A figure with the ends of its interval, or None where it does not apply."""
        if column == "model_lead":
            return None if self.lead is None else (self.lead.difference, self.lead.low, self.lead.high)
        loop = {} if self.closed_loop is None else vars(self.closed_loop)
        found = loop.get(column) or self.scores.overall.figure(column)
        return found if found is not None and isfinite(found[0]) else None


@dataclass
class SplitResult:
    """All that was measured on one split; `predictions` by method."""

    split: str
    rows: list[Row]
    predictions: dict[str, list[Prediction]]
    notes: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """Category of error -> what the model took it for -> how often."""
    probes: list[Probe] = field(default_factory=list)
    conventions: dict[str, Conventions] = field(default_factory=dict)
    """By method; empty where nothing usual is known."""
    loops: dict[str, LoopFigures] = field(default_factory=dict)
    """Of the closed loop over several steps, by method; empty where there was one step only."""
    psychometric: dict[str, dict[str, Curve]] = field(default_factory=dict)
    """By method and stem; empty where no error is small."""
    calibration: Calibration | None = None
    """Whether the model is right as often as it says; None where it does not say."""
    ceiling: dict[str, Figure] = field(default_factory=dict)
    """What the best listener could reach, by the names of `HEARD`; empty where nobody knows."""
    by_segments: dict[str, dict[int, Figure]] = field(default_factory=dict)
    """Joint accuracy by method and number of segments heard; empty where one was."""

    @property
    def model_predictions(self) -> list[Prediction]:
        """Those of the model of the run, or of what stands in its place."""
        return self.predictions[self.rows[0].method]

    @property
    def headline_items(self) -> str:
        """In words, which items headline figures count."""
        claimed = all(p.problem.prompt_category.has_claim for p in self.model_predictions)
        return "all items (every prompt makes a claim)" if claimed else "headline items (no claim in the prompt)"

    def metrics(self) -> dict[str, float]:
        """Flat figures: the model's under ``<split>/``, all others under ``baselines/<name>/`` (with the split's name
        in front where it is not the test split)."""
        flat: dict[str, float] = {}
        lead = "" if self.split == "test" else f"{self.split}/"
        for row in self.rows:
            is_model = row.kind == "model"
            prefix = lead if is_model else f"{lead}baselines/{row.method}/"
            flat |= row.scores.flat(self.split if is_model else prefix[:-1], with_groups=is_model)
            for loop in (row.closed_loop, self.loops.get(row.method)):
                flat |= {} if loop is None else loop.flat(f"{prefix}closed_loop")
            if row.method in self.conventions:
                flat |= self.conventions[row.method].flat(f"{prefix}conventions")
            for stem, curve in self.psychometric.get(row.method, {}).items():
                flat |= curve.flat(f"{prefix}psychometric/stem={stem}")
            if row.lead is not None:
                flat |= flat_figures(prefix[:-1], {"model_lead": (row.lead.difference, row.lead.low, row.lead.high)})
                flat |= {f"{prefix}model_lead_p": row.lead.p, f"{prefix}model_lead_p_holm": row.lead.p_holm}
        for true, taken in self.confusion.items():
            flat |= {f"{self.split}/confusion/{true}/{name}": float(count) for name, count in taken.items()}
        if self.calibration is not None:
            flat |= self.calibration.flat(f"{lead}calibration")
        flat |= flat_figures(f"{lead}ceiling", self.ceiling)
        for method, by_count in self.by_segments.items():
            place = self.split if method == self.rows[0].method else f"{lead}baselines/{method}"
            for count, figure in by_count.items():
                flat |= flat_figures(f"{place}/segments_{count}", {"joint_accuracy": figure})
        for probe in self.probes:
            flat |= probe.flat(f"{lead}probe")
        return flat
