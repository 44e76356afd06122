"""Room evaluation: what is measured at the end of a run, the model, its controls and baselines on the same items."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mixlab.data.collate import move_batch
from mixlab.data.dataset import EncodedExample
from mixlab.data.exported import ExportedDataModule
from mixlab.data.module import MixDataModule
from mixlab.evaluation.baselines import Baseline, ListenedItem, build_baselines, predictions_of
from mixlab.evaluation.listening import Heard
from mixlab.evaluation.loop import Ask, loops
from mixlab.evaluation.report import Evidence, read_curve, run_sheets, write_report
from mixlab.evaluation.sheets import Sheet, write_sheets
from mixlab.evaluation.summary import headline_sentence
from mixlab.evaluation.table import Row
from mixlab.models.generate import predict
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import usual_balance
from mixlab.scoring.bootstrap import Difference
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.conventions import Conventions, conventions
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import compare, score
from mixlab.synthesis.problem import Problem

log = logging.getLogger(__name__)

RULES = {
    "loudness_rule_genre": "the loudness rule that knows the genre",
    "loudness_rule": "the loudness rule",
}
"""The rules that a model has to beat, the better one first, as sentences call them."""


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
    conventions: dict[str, Conventions] = field(default_factory=dict)
    """By method; empty where nothing usual is known."""
    loops: dict[str, LoopFigures] = field(default_factory=dict)
    """Of the closed loop over several steps, by method; empty where there was one step only."""

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
        return flat


class Evaluator:
    """Scores methods on the frozen items of a data module.

    Args:
        data: set up.
        baselines: names of the baselines.
        tuning_items: items on training songs for fitting them.
        resamples: of the bootstrap over songs.
        device: on which models answer.
        loop_steps: of the closed loop; each beyond the first is another round of answers.
    """

    def __init__(
        self,
        data: MixDataModule,
        baselines: Sequence[str],
        tuning_items: int,
        resamples: int,
        device: torch.device,
        loop_steps: int = 1,
    ) -> None:
        self.data, self.resamples, self.device = data, resamples, device
        # Exported clips are as they are: what advice makes of them cannot be heard.
        self.loop_steps = 1 if isinstance(data, ExportedDataModule) else loop_steps
        error = data.frozen.protocol.error
        truth = data.true_balance()
        self.baselines, missing = build_baselines(
            baselines,
            rounding_db=error.rounding_db,
            seed=data.frozen.seed,
            balance_db=None if truth is None else truth.balance_db,
            sigma_db=None if truth is None else truth.sigma_db,
            error=error,
            cache_dir=data.cache_dir,
        )
        self.notes = [*missing, *data.notes()]
        if self.loop_steps < loop_steps:
            self.notes.append("The closed loop has one step: exported clips cannot be heard with other gains.")
        self._segments = {
            (segment.song_id, segment.start_s): segment for split in data.segments.values() for segment in split
        }
        self._usual = usual_balance(data.segments["train"])
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
            predictions[name] = self._advised(baseline, items)
            rows.append(
                Row(
                    name,
                    "baseline",
                    score(predictions[name], self.resamples, reads_claims=baseline.reads_claims),
                    closed_loop(predictions[name], self.resamples),
                    lead=lead(name),
                )
            )
        usual = {
            name: conventions(found, self._segments, self._usual, self.resamples, by_genre=name == model)
            for name, found in predictions.items()
        }
        return SplitResult(
            split,
            rows,
            predictions,
            list(self.notes),
            {name: found for name, found in usual.items() if found is not None},
            loops(predictions, self._asked(answerers[0]), self.loop_steps, self.data.frozen, self.resamples),
        )

    def _asked(self, model: Answerer) -> dict[str, Ask]:
        """Who follows the closed loop: the model, and the loudness rule that it has to stand beside."""
        asked: dict[str, Ask] = {model.name: lambda problems: self._answer(model, problems)}
        if rule := next((name for name in RULES if name in self.baselines), None):
            asked[rule] = lambda problems: self._advised(self.baselines[rule], self._listen(problems))
        return asked

    def _advised(self, baseline: Baseline, items: Sequence[ListenedItem]) -> list[Prediction]:
        return predictions_of(items, baseline.advise(items))

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
    heard: Callable[[Prediction], Heard | None],
    audio_examples: int,
    more: Sequence[Sheet] = (),
) -> str:
    """Write metrics.json, predictions, the report and its tables into a run folder.

    Args:
        heard: renders an example for the report's players.
        audio_examples: how many of the best and of the worst examples get players.
        more: further sheets for the report.

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
    curve = read_curve(folder / "logs" / "metrics.csv")
    evidence = Evidence(main.predictions[model], main.conventions, main.loops, curve, more)
    write_sheets(folder / "tables", run_sheets(main.rows, evidence))
    for other in results[1:]:
        shown = Evidence(other.predictions[model], other.conventions, other.loops)
        write_sheets(folder / "tables" / other.split, run_sheets(other.rows, shown))
    write_report(
        folder / "report.html",
        title=title,
        headline_sentence=sentence,
        rows=main.rows,
        evidence=evidence,
        dataset=dataset,
        notes=notes,
        config_yaml=config_yaml,
        heard=heard,
        audio_examples=audio_examples,
    )
    return sentence


def verdict(result: SplitResult) -> str:
    """The first line of a result; it names the rule without genre where no genre is known."""
    genres_known = any(prediction.problem.genre for prediction in result.predictions[result.rows[0].method])
    for name, words in RULES.items():
        if name in result.predictions and (genres_known or name == "loudness_rule"):
            return headline_sentence(result.predictions[result.rows[0].method], result.predictions[name], rule=words)
    return "No loudness rule was evaluated, so nothing is said about what the model adds to one."
