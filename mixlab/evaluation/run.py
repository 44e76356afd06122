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
from mixlab.evaluation.baselines import ListenedItem, build_baselines, predictions_of
from mixlab.evaluation.report import write_report
from mixlab.evaluation.summary import headline_sentence
from mixlab.evaluation.table import Row
from mixlab.models.generate import predict
from mixlab.multitrack.segments import Segment
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.paired import Difference
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import compare, score
from mixlab.synthesis.problem import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answerer:
    """A model that answers in words: one row of the results."""

    name: str
    kind: str
    model: torch.nn.Module
    processor: Any
    max_new_tokens: int
    detail: str = ""


@dataclass
class SplitResult:
    """All that was measured on one split; `predictions` by method."""

    split: str
    rows: list[Row]
    predictions: dict[str, list[Prediction]]
    notes: list[str] = field(default_factory=list)

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
        truth = data.true_balance()
        self.baselines, missing = build_baselines(
            baselines,
            rounding_db=error.rounding_db,
            seed=data.frozen.seed,
            balance_db=None if truth is None else truth.balance_db,
            sigma_db=None if truth is None else truth.sigma_db,
            error=error,
        )
        self.notes = [*missing, *data.notes()]
        self._segments = {
            (segment.song_id, segment.start_s): segment for split in data.segments.values() for segment in split
        }
        tuning = self._listen(data.tuning_problems(tuning_items))
        for name, baseline in self.baselines.items():
            log.info("Fitting the baseline %s", name)
            baseline.fit(tuning)

    def evaluate(self, split: str, answerers: Sequence[Answerer]) -> SplitResult:
        """Answer and score all items of a split; the first answerer is the model of the run.

        Raises:
            ValueError: if the split has no items.
        """
        problems = self.data.problems(split)
        if not problems:
            raise ValueError(f"the split {split!r} has no items")
        predictions = {answerer.name: self._answer(answerer, problems) for answerer in answerers}
        model = answerers[0].name

        def lead(name: str) -> Difference | None:
            if name == model:
                return None
            return compare(predictions[model], predictions[name], "joint_accuracy", self.resamples)

        rows = [
            Row(
                answerer.name,
                answerer.kind,  # type: ignore[arg-type]
                score(predictions[answerer.name], self.resamples),
                closed_loop(predictions[answerer.name], self.resamples),
                answerer.detail,
                lead(answerer.name),
            )
            for answerer in answerers
        ]
        items = self._listen(problems)
        for name, baseline in self.baselines.items():
            predictions[name] = predictions_of(items, baseline.advise(items))
            rows.append(
                Row(
                    name,
                    "baseline",
                    score(predictions[name], self.resamples, reads_claims=baseline.reads_claims),
                    closed_loop(predictions[name], self.resamples),
                    lead=lead(name),
                )
            )
        return SplitResult(split, rows, predictions, list(self.notes))

    def _answer(self, answerer: Answerer, problems: Sequence[Problem]) -> list[Prediction]:
        from rich.progress import track

        loader = self.data.generation_loader(problems)
        predictions: list[Prediction] = []
        answerer.model.to(self.device)
        for batch in track(loader, description=f"Answering: {answerer.name}", total=len(loader)):
            moved = move_batch(batch, self.device)
            predictions += predict(answerer.model, answerer.processor, moved, answerer.max_new_tokens)
        answerer.model.cpu()
        return predictions

    def _listen(self, problems: Sequence[Problem]) -> list[ListenedItem]:
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
            song_lufs=self.data.song_lufs(problem),
            log_mel=self.data.encoder.features(encoded.waveforms),
            clip_stems=tuple(clip.stems for clip in encoded.example.clips),
        )


def write_results(
    folder: Path,
    results: Sequence[SplitResult],
    *,
    title: str,
    dataset: str,
    notes: Sequence[str],
    config_yaml: str,
) -> str:
    """Write metrics.json, predictions and the report into a run folder.

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
