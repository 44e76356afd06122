"""Room evaluation: what is measured at the end of a run, the model, its controls and baselines on the same items."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mixlab.data.collate import move_batch
from mixlab.data.dataset import EncodedExample
from mixlab.data.module import MixDataModule
from mixlab.evaluation.baselines import (
    ListenedItem,
    LoudnessRuleSource,
    LoudnessRuleSourceGenre,
    build_baselines,
    predictions_of,
)
from mixlab.evaluation.comparison import Comparison, compare_methods, write_comparisons
from mixlab.evaluation.mixingbuddy import protocol_tables, tables_markdown
from mixlab.evaluation.probes import Probe, other_audio, write_probes
from mixlab.evaluation.report import write_report
from mixlab.evaluation.summary import headline_sentence
from mixlab.evaluation.table import Row
from mixlab.models.backbones.base import Backbone
from mixlab.models.generate import predict
from mixlab.multitrack.segments import Segment
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions, score
from mixlab.synthesis.problem import Problem, PromptCategory

COMPARED = ("joint_accuracy", "gain_mae_db")
"""The metrics in which all methods of a run are compared pair by pair; the first gives the model's lead."""

SHUFFLED_AUDIO = "shuffled_audio"
"""The row of the model when it hears another item's clips."""

SOURCE_RULES = (LoudnessRuleSource.name, LoudnessRuleSourceGenre.name)
SAME_AT_SOURCE = (
    "Left out, since the loudness at the source's own rate is not known or is that which the model hears: the loudness "
    "rules by it"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answerer:
    """A model that answers in words: one row of the results."""

    name: str
    kind: str
    backbone: Backbone
    max_new_tokens: int
    detail: str = ""


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

    def metrics(self) -> dict[str, float]:
        """Flat figures: the model's under ``<split>/``, all others under ``baselines/<name>/`` (with the split's name
        in front where it is not the test split)."""
        flat: dict[str, float] = {}
        lead = "" if self.split == "test" else f"{self.split}/"
        for row in self.rows:
            if row.kind == "model":
                flat |= row.scores.flat(self.split)
                prefix = f"{lead}closed_loop"
            else:
                flat |= row.scores.flat(f"{lead}baselines/{row.method}", with_groups=False)
                prefix = f"{lead}baselines/{row.method}/closed_loop"
            if row.closed_loop is not None:
                flat |= row.closed_loop.flat(prefix)
            if row.lead is not None:
                name = f"{lead}baselines/{row.method}/model_lead"
                flat |= {name: row.lead.difference, f"{name}_low": row.lead.low, f"{name}_high": row.lead.high}
                flat |= {f"{name}_p": row.lead.p, f"{name}_p_holm": row.lead.p_holm}
        for true, taken in self.confusion.items():
            flat |= {f"{self.split}/confusion/{true}/{name}": float(count) for name, count in taken.items()}
        for probe in self.probes:
            flat |= probe.flat(f"{lead}probe")
        return flat


class Evaluator:
    """Scores methods on the frozen items of a data module.

    Args:
        data: set up.
        baselines: names of the baselines.
        tuning_items: items on training songs for fitting them.
        resamples: of the bootstrap over songs.
        device: on which models answer.
    """

    def __init__(
        self, data: MixDataModule, baselines: Sequence[str], tuning_items: int, resamples: int, device: torch.device
    ) -> None:
        self.data, self.resamples, self.device = data, resamples, device
        error = data.frozen.protocol.error
        self.ranges_db = {name: error.range_db(name) for name in error.categories}
        truth = data.true_balance()
        self.baselines, missing = build_baselines(
            baselines,
            rounding_db=error.rounding_db,
            seed=data.frozen.seed,
            balance_db=None if truth is None else truth.balance_db,
            sigma_db=None if truth is None else truth.sigma_db,
            error=error,
            right_claim_share=_right_claim_share(data.frozen.protocol.prompt.weights),
        )
        self.notes = [*missing, *data.notes()]
        self._segments = {
            (segment.song_id, segment.start_s): segment for split in data.segments.values() for segment in split
        }
        tuning = self.listen(data.tuning_problems(tuning_items))
        if all(item.source_lufs in ({}, item.segment_lufs) for item in tuning):
            left_out = [name for name in SOURCE_RULES if self.baselines.pop(name, None) is not None]
            if left_out:
                self.notes.append(f"{SAME_AT_SOURCE} ({', '.join(left_out)}).")
        for name, baseline in self.baselines.items():
            log.info("Fitting the baseline %s", name)
            baseline.fit(tuning)

    def evaluate(
        self, split: str, answerers: Sequence[Answerer], baseline: str | None = None, shuffled_audio: bool = False
    ) -> SplitResult:
        """Answer and score all items of a split; the first answerer is the model of the run.

        Args:
            baseline: where there are no answerers, the baseline that stands in the model's place.
            shuffled_audio: add the row of the model when it hears another item's clips.

        Raises:
            ValueError: if the split has no items.
        """
        problems = self.data.problems(split)
        if not problems:
            raise ValueError(f"the split {split!r} has no items")
        main = answerers[0].name if baseline is None else baseline
        methods = {answerer.name: (answerer.kind, answerer.detail) for answerer in answerers}
        predictions = {answerer.name: self.answer(answerer, problems) for answerer in answerers}
        if shuffled_audio and (others := other_audio(problems, self.data.frozen.seed)) is not None:
            methods[SHUFFLED_AUDIO] = ("control", "")
            predictions[SHUFFLED_AUDIO] = self.answer(answerers[0], problems, others)
        items = self.listen(problems)
        for name in sorted(self.baselines, key=lambda name: name != main):
            methods[name] = ("model" if name == main else "baseline", "")
            predictions[name] = predictions_of(items, self.baselines[name].advise(items))
        comparisons = compare_methods({name: [found] for name, found in predictions.items()}, COMPARED, self.resamples)
        leads = {entry.b: entry.difference for entry in comparisons if (entry.metric, entry.a) == (COMPARED[0], main)}
        rows = [
            Row(
                name,
                kind,  # type: ignore[arg-type]
                score(
                    predictions[name],
                    self.resamples,
                    reads_claims=name not in self.baselines or self.baselines[name].reads_claims,
                    ranges_db=self.ranges_db,
                ),
                closed_loop(predictions[name], self.resamples),
                detail,
                leads.get(name),
            )
            for name, (kind, detail) in methods.items()
        ]
        confusion = category_confusion(headline_predictions(predictions[main]), self.ranges_db)
        return SplitResult(split, rows, predictions, list(self.notes), comparisons, confusion)

    def answer(
        self, answerer: Answerer, problems: Sequence[Problem], audio_of: Sequence[Problem] | None = None
    ) -> list[Prediction]:
        """A model's answers to problems, in their order; with `audio_of`, to the clips of other ones."""
        from rich.progress import track

        loader = self.data.generation_loader(problems, audio_of)
        predictions: list[Prediction] = []
        answerer.backbone.model.to(self.device)
        for batch in track(loader, description=f"Answering: {answerer.name}", total=len(loader)):
            moved = move_batch(batch, self.device)
            predictions += predict(answerer.backbone, moved, answerer.max_new_tokens)
        answerer.backbone.model.cpu()
        return predictions

    def listen(self, problems: Sequence[Problem]) -> list[ListenedItem]:
        """The items with what baselines measure in them."""
        maker = self.data.maker(self.data.frozen.protocol)
        return [
            self._listened(problem, maker.encode(problem, with_response=False), self._segment(problem))
            for problem in problems
        ]

    def _segment(self, problem: Problem) -> Segment:
        return self._segments[problem.song_id, problem.start_s]

    def _listened(self, problem: Problem, encoded: EncodedExample, segment: Segment) -> ListenedItem:
        return ListenedItem(
            problem=problem,
            reference=encoded.example.reference,
            segment_lufs={stem: segment.lufs[stem] + problem.heard_gain_db(stem) for stem in problem.stems},
            source_lufs={stem: lufs + problem.heard_gain_db(stem) for stem, lufs in segment.lufs_source.items()},
            song_lufs=self.data.song_lufs(problem),
            log_mel=self.data.encoder.features(encoded.waveforms),
            clip_stems=tuple(clip.stems for clip in encoded.example.clips),
        )


def _right_claim_share(weights: Mapping[str, float]) -> float:
    """The share of right claims among all, from the weights of the prompt categories."""
    right = weights.get(PromptCategory.CORRECT_DESCRIPTION, 0.0)
    total = right + weights.get(PromptCategory.INCORRECT_DESCRIPTION, 0.0)
    return right / total if total > 0 else 0.5


def write_results(
    folder: Path,
    results: Sequence[SplitResult],
    *,
    title: str,
    dataset: str,
    notes: Sequence[str],
    config_yaml: str,
    protocol: str | None = None,
) -> str:
    """Write metrics.json, predictions and the report into a run folder.

    Args:
        protocol: ``mixingbuddy`` adds the predecessor's five tables, as mixingbuddy.md and among the figures.

    Returns:
        The first line of the result: whether the model beats the loudness rule that knows the genre.
    """
    import json

    from mixlab.scoring.prediction import write_predictions
    from mixlab.storage import write_whole

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
    write_report(
        folder / "report.html",
        title=title,
        headline_sentence=sentence,
        rows=main.rows,
        scores=main.rows[0].scores,
        predictions=main.predictions[model],
        dataset=dataset,
        training_curve=read_curve(folder / "logs" / "metrics.csv"),
        notes=notes,
        config_yaml=config_yaml,
    )
    return sentence


def verdict(result: SplitResult) -> str:
    """The first line of a result; it names the rule without genre where no genre is known."""
    rules: Mapping[str, str] = {
        "loudness_rule_genre": "the loudness rule that knows the genre",
        "loudness_rule": "the loudness rule",
    }
    genres_known = any(prediction.problem.genre for prediction in result.predictions[result.rows[0].method])
    for name, words in rules.items():
        if name in result.predictions and (genres_known or name == "loudness_rule"):
            return headline_sentence(result.predictions[result.rows[0].method], result.predictions[name], rule=words)
    return "No loudness rule was evaluated, so nothing is said about what the model adds to one."


def read_curve(path: Path) -> list[dict[str, Any]]:
    """The rows of Lightning's CSV log, numbers as floats, empty cells left out."""
    if not path.is_file():
        return []
    with path.open(newline="") as handle:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(handle)]
