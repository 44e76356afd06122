"""Room evaluation: what was measured on a split, as figures, files and a first line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mixlab.evaluation.comparison import Comparison, write_comparisons
from mixlab.evaluation.listening import Heard
from mixlab.evaluation.mixingbuddy import protocol_tables, tables_markdown
from mixlab.evaluation.probes import Probe, probe_sheets, write_probes
from mixlab.evaluation.report import Evidence, read_curve, run_sheets, write_report
from mixlab.evaluation.sheets import Sheet, write_sheets
from mixlab.evaluation.summary import headline_sentence
from mixlab.evaluation.table import Row, results_sheet
from mixlab.scoring.conventions import Conventions
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.prediction import Prediction, write_predictions
from mixlab.scoring.scores import headline_predictions
from mixlab.storage import write_whole

RULES = {
    "loudness_rule_genre": "the loudness rule that knows the genre",
    "loudness_rule": "the loudness rule",
}
"""The rules that a model has to beat, the better one first, as sentences call them."""


OWN_SPLIT = "test_own"
"""The test songs with the errors and prompts that a run trains on, where those are not the frozen ones."""


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

    @property
    def headline_items(self) -> str:
        """In words, which items headline figures count."""
        claimed = all(p.problem.prompt_category.has_claim for p in self.predictions[self.rows[0].method])
        return "all items (every prompt makes a claim)" if claimed else "headline items (no claim in the prompt)"

    def evidence(self) -> Evidence:
        """What a report shows beside the results table."""
        return Evidence(
            self.predictions[self.rows[0].method],
            self.conventions,
            self.loops,
            comparisons=self.comparisons,
            categories=self.confusion,
        )

    def metrics(self) -> dict[str, float]:
        """Flat figures: the model's under ``<split>/``, all others under ``baselines/<name>/`` (with the split's name
        in front where it is not the test split)."""
        flat: dict[str, float] = {}
        lead = "" if self.split == "test" else f"{self.split}/"
        for row in self.rows:
            if row.kind == "model":
                flat |= row.scores.flat(self.split)
                prefix = lead
            else:
                flat |= row.scores.flat(f"{lead}baselines/{row.method}", with_groups=False)
                prefix = f"{lead}baselines/{row.method}/"
            if row.closed_loop is not None:
                flat |= row.closed_loop.flat(f"{prefix}closed_loop")
            if row.method in self.loops:
                flat |= self.loops[row.method].flat(f"{prefix}closed_loop")
            if row.method in self.conventions:
                flat |= self.conventions[row.method].flat(f"{prefix}conventions")
            if row.lead is not None:
                name = f"{lead}baselines/{row.method}/model_lead"
                flat |= {name: row.lead.difference, f"{name}_low": row.lead.low, f"{name}_high": row.lead.high}
                flat |= {f"{name}_p": row.lead.p, f"{name}_p_holm": row.lead.p_holm}
        for true, taken in self.confusion.items():
            flat |= {f"{self.split}/confusion/{true}/{name}": float(count) for name, count in taken.items()}
        for probe in self.probes:
            flat |= probe.flat(f"{lead}probe")
        return flat


def write_results(
    folder: Path,
    results: Sequence[SplitResult],
    *,
    title: str,
    dataset: str,
    notes: Sequence[str],
    config_yaml: str,
    heard: Callable[[Prediction], Heard | None],
    audio_examples: int,
    more: Sequence[Sheet] = (),
    protocol: str | None = None,
) -> str:
    """Write metrics.json, predictions, the report and its tables into a run folder.

    Args:
        heard: renders an example for the report's players.
        audio_examples: how many of the best and of the worst examples get players.
        more: further sheets for the report.
        protocol: ``mixingbuddy`` adds the predecessor's five tables, as mixingbuddy.md and among the figures.

    Returns:
        The first line of the result: whether the model beats the loudness rule that knows the genre.
    """
    main = results[0]
    model = main.rows[0].method
    metrics: dict[str, float] = {}
    for result in results:
        metrics |= result.metrics()
        suffix = "" if result is main else f"-{result.split}"
        write_predictions(folder / f"predictions{suffix}.jsonl", result.predictions[model])
    if protocol is not None:
        tables = protocol_tables(headline_predictions(main.predictions[model]))
        write_whole(folder / f"{protocol}.md", tables_markdown(tables))
        for table in tables:
            metrics |= table.flat(protocol)
    write_comparisons(folder, main.comparisons)
    if main.probes:
        write_probes(folder, main.probes)
    write_whole(folder / "metrics.json", json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    sentence = verdict(main)
    more = [*probe_sheets(main.probes), *more]
    evidence = replace(main.evidence(), training_curve=read_curve(folder / "logs" / "metrics.csv"), more=more)
    write_sheets(folder / "tables", run_sheets(main.rows, evidence))
    for other in results[1:]:
        write_sheets(folder / "tables" / other.split, run_sheets(other.rows, other.evidence()))
    write_report(
        folder / "report.html",
        title=title,
        headline_sentence=sentence,
        rows=main.rows,
        evidence=replace(evidence, more=[*more, *own_sheets(results)]),
        dataset=dataset,
        notes=notes,
        config_yaml=config_yaml,
        heard=heard,
        audio_examples=audio_examples,
    )
    return sentence


def own_sheets(results: Sequence[SplitResult]) -> list[Sheet]:
    """The results on items like those that the run trained on, where there are such, for its report."""
    return [
        replace(
            results_sheet(result.rows),
            name=OWN_SPLIT,
            title="Asked as it was trained",
            caption=f"The test songs with errors and prompts drawn as in training; {result.headline_items}. These "
            "items differ between runs that train otherwise: runs are compared on the items above, which all share.",
        )
        for result in results
        if result.split == OWN_SPLIT
    ]


def verdict(result: SplitResult) -> str:
    """The first line of a result; it names the rule without genre where no genre is known."""
    genres_known = any(prediction.problem.genre for prediction in result.predictions[result.rows[0].method])
    for name, words in RULES.items():
        if name in result.predictions and (genres_known or name == "loudness_rule"):
            return headline_sentence(result.predictions[result.rows[0].method], result.predictions[name], rule=words)
    return "No loudness rule was evaluated, so nothing is said about what the model adds to one."
