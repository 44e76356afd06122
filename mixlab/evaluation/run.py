"""Room evaluation: what is measured at the end of a run, the model, its controls and baselines on the same items."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from mixlab.data.collate import move_batch
from mixlab.data.dataset import EncodedExample
from mixlab.data.module import MixDataModule
from mixlab.evaluation.baselines import (
    Baseline,
    ListenedItem,
    LoudnessRuleSource,
    LoudnessRuleSourceGenre,
    build_baselines,
    predictions_of,
)
from mixlab.evaluation.comparison import compare_methods
from mixlab.evaluation.loop import Ask, loops
from mixlab.evaluation.probes import other_audio
from mixlab.evaluation.results import RULES, SplitResult
from mixlab.evaluation.table import Row
from mixlab.models.backbones.base import Backbone
from mixlab.models.constrained import GrammarDecoder
from mixlab.models.generate import predict
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.statistics import usual_balance
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.conventions import conventions
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
    """A model that answers in words: one row of the results; with a decoder it says only what can be read back."""

    name: str
    kind: str
    backbone: Backbone
    max_new_tokens: int
    detail: str = ""
    decoder: GrammarDecoder | None = None


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
        self.loop_steps = loop_steps if data.can_vary else 1
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
            cache_dir=data.cache_dir,
        )
        self.notes = [*missing, *data.notes()]
        if self.loop_steps < loop_steps:
            self.notes.append("The closed loop has one step: exported clips cannot be heard with other gains.")
        self._segments = {
            (segment.song_id, segment.start_s): segment for split in data.segments.values() for segment in split
        }
        tuning = self.listen(data.tuning_problems(tuning_items))
        if all(item.source_lufs in ({}, item.segment_lufs) for item in tuning):
            left_out = [name for name in SOURCE_RULES if self.baselines.pop(name, None) is not None]
            if left_out:
                self.notes.append(f"{SAME_AT_SOURCE} ({', '.join(left_out)}).")
        self._usual = usual_balance(data.segments["train"])
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
        usual = {
            name: conventions(found, self._segments, self._usual, self.resamples, by_genre=name == main)
            for name, found in predictions.items()
        }
        return SplitResult(
            split,
            rows,
            predictions,
            list(self.notes),
            comparisons,
            category_confusion(headline_predictions(predictions[main]), self.ranges_db),
            conventions={name: found for name, found in usual.items() if found is not None},
            loops=loops(predictions, self._asked(main, answerers), self.loop_steps, self.data.frozen, self.resamples),
        )

    def _asked(self, main: str, answerers: Sequence[Answerer]) -> dict[str, Ask]:
        """Who follows the closed loop: the model, and the loudness rule that it has to stand beside."""
        asked: dict[str, Ask] = {}
        if answerers:
            model = answerers[0]
            asked[model.name] = lambda problems: self.answer(model, problems)
        rule = next((name for name in RULES if name in self.baselines), None)
        for name in dict.fromkeys(name for name in (main, rule) if name in self.baselines):
            asked[name] = lambda problems, name=name: self._advised(self.baselines[name], self.listen(problems))  # type: ignore[misc]
        return asked

    def _advised(self, baseline: Baseline, items: Sequence[ListenedItem]) -> list[Prediction]:
        return predictions_of(items, baseline.advise(items))

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
            predictions += predict(answerer.backbone, moved, answerer.max_new_tokens, answerer.decoder)
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
