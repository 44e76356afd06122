"""Room evaluation: the model, its controls and the baselines measured on the same items."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, Facts, ListenedItem, predictions_of, together
from mixlab.baselines.loudness import LoudnessRuleSource, LoudnessRuleSourceGenre
from mixlab.baselines.registry import RULES, build_baselines
from mixlab.chat.collate import Batch
from mixlab.errors import ConfigError
from mixlab.evaluation.answering import Answerer, Answering
from mixlab.evaluation.ceiling import SEVERAL_MIXES, TOO_FEW, ceilings
from mixlab.evaluation.loop import Ask, loops
from mixlab.evaluation.probes.audio import other_audio
from mixlab.items.bank import ItemBank
from mixlab.multitrack.statistics import usual_balance
from mixlab.runs.settings import EvaluationSettings
from mixlab.scoring.calibration import calibration
from mixlab.scoring.categories import category_confusion
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.comparison import compare_methods
from mixlab.scoring.conventions import conventions
from mixlab.scoring.loop_path import LoopFigures
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.psychometric import psychometric_curves
from mixlab.scoring.results import Kind, Row, SplitResult
from mixlab.scoring.scores import headline_predictions, score
from mixlab.synthesis.problem import Problem

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


class Evaluator:
    """Scores methods on the held-out items of a bank.

    Models answer in all processes of a run; baselines and scores are the first one's alone.

    Args:
        answering: has models answer, over a bank that is set up.
        settings: what is measured.
        baseline: one that stands in a model's place, beside those that the settings name.

    Raises:
        ConfigError: if the songs do not allow that baseline.
    """

    def __init__(self, answering: Answering, settings: EvaluationSettings, baseline: str | None = None) -> None:
        self.answering, self.settings, self.baseline = answering, settings, baseline
        self.bank: ItemBank = answering.bank
        # Exported clips are as they are: what advice makes of them cannot be heard.
        self.loop_steps = settings.loop_steps if self.bank.can_vary else 1
        self.baselines: dict[str, Baseline] = {}
        self.notes = self.bank.notes()
        if self.loop_steps < settings.loop_steps:
            self.notes.append("The closed loop has one step: exported clips cannot be heard with other gains.")
        if self.is_first:
            self._usual = usual_balance(self.bank.segments["train"])
            self._fit_baselines()

    @property
    def is_first(self) -> bool:
        """Whether this is the process that scores and reports."""
        return self.answering.devices.rank == 0

    def _fit_baselines(self) -> None:
        settings, truth = self.settings, self.bank.true_balance()
        names = dict.fromkeys([*settings.baselines, *([self.baseline] if self.baseline else [])])
        facts = Facts(
            error=settings.error,
            rounding_db=settings.error.rounding_db,
            seed=settings.seed,
            balance_db=None if truth is None else truth.balance_db,
            sigma_db=None if truth is None else truth.sigma_db,
            right_claim_share=settings.prompt.right_claim_share,
            cache_dir=self.bank.cache_dir,
        )
        self.baselines, missing = build_baselines(list(names), facts)
        self.notes = [*missing, *self.notes]
        tuning = self.listen(self.bank.tuning_problems(settings.tuning_items)) if self.baselines else []
        if all(item.source_lufs in ({}, item.segment_lufs) for item in tuning):
            left_out = [name for name in SOURCE_RULES if self.baselines.pop(name, None) is not None]
            if left_out:
                self.notes.append(f"{SAME_AT_SOURCE} ({', '.join(left_out)}).")
        if self.baseline is not None and self.baseline not in self.baselines:
            raise ConfigError(f"baseline is '{self.baseline}', which these songs do not allow. {' '.join(self.notes)}")
        for name, baseline in self.baselines.items():
            log.info("Fitting the baseline %s", name)
            baseline.fit(tuning)

    def ask(
        self, split: str, answerers: Sequence[Answerer], shuffled_audio: bool = False
    ) -> dict[str, list[Prediction]]:
        """The answers of models to all items of a split, by method, in every process.

        Args:
            answerers: the model of the run first.
            shuffled_audio: ask the model again, hearing another item's clips.
        """
        problems = self.bank.problems(split)
        predictions = {answerer.name: self.answering.answer(answerer, problems) for answerer in answerers}
        if shuffled_audio and (others := other_audio(problems, self.settings.seed)) is not None:
            predictions[SHUFFLED_AUDIO] = self.answering.answer(answerers[0], problems, others)
        return predictions

    def follow(
        self, answerers: Sequence[Answerer], predictions: Mapping[str, list[Prediction]]
    ) -> dict[str, LoopFigures]:
        """The closed loop of the model, and of the loudness rule that it has to stand beside."""
        return loops(predictions, self._asked(answerers), self.loop_steps, self.settings, self.settings.resamples)

    def score(self, split: str, answerers: Sequence[Answerer], predictions: dict[str, list[Prediction]]) -> SplitResult:
        """All methods scored on a split, from the answers of `ask`; in the first process alone.

        Raises:
            ValueError: if the split has no items.
        """
        problems = self.bank.problems(split)
        if not problems:
            raise ValueError(f"the split {split!r} has no items")
        main = answerers[0].name if self.baseline is None else self.baseline
        methods: dict[str, tuple[Kind, str]] = {
            answerer.name: (answerer.kind, answerer.detail) for answerer in answerers
        }
        if SHUFFLED_AUDIO in predictions:
            methods[SHUFFLED_AUDIO] = ("control", "")
        predictions = dict(predictions) | self.advised(problems, sorted(self.baselines, key=lambda name: name != main))
        methods |= {name: ("model" if name == main else "baseline", "") for name in predictions if name not in methods}
        resamples, ranges_db = self.settings.resamples, self.settings.error.ranges_db
        comparisons = compare_methods({name: [found] for name, found in predictions.items()}, COMPARED, resamples)
        leads = {entry.b: entry.difference for entry in comparisons if (entry.metric, entry.a) == (COMPARED[0], main)}
        rows = [
            Row(
                name,
                kind,
                score(
                    predictions[name],
                    resamples,
                    reads_claims=name not in self.baselines or self.baselines[name].reads_claims,
                ),
                closed_loop(predictions[name], resamples),
                detail,
                leads.get(name),
            )
            for name, (kind, detail) in sorted(methods.items(), key=lambda entry: entry[0] != main)
        ]
        usual = {
            name: conventions(found, self.bank.segment, self._usual, resamples, by_genre=name == main)
            for name, found in predictions.items()
        }
        curves = {row.method: psychometric_curves(predictions[row.method], resamples) for row in rows}
        # Songs that are unlike the training songs depart from other genres, in their own way.
        headline = [prediction.problem for prediction in headline_predictions(predictions[main])]
        no_ceiling = SEVERAL_MIXES if any(problem.work for problem in headline) else TOO_FEW
        ceiling = ceilings(self.bank.segments["train"], headline, self.settings.error) if split == "test" else {}
        return SplitResult(
            split,
            rows,
            predictions,
            [*self.notes, *([no_ceiling] if split == "test" and not ceiling else [])],
            comparisons,
            category_confusion(headline_predictions(predictions[main]), ranges_db),
            conventions={name: found for name, found in usual.items() if found is not None},
            psychometric={name: found for name, found in curves.items() if found},
            calibration=calibration(headline_predictions(predictions[main]), resamples),
            ceiling=ceiling,
        )

    def advised(self, problems: Sequence[Problem], names: Sequence[str]) -> dict[str, list[Prediction]]:
        """The advice of baselines on problems, by name."""
        items = self.listen(problems) if names else []
        return {name: predictions_of(items, self.baselines[name].advise(items)) for name in names}

    def _asked(self, answerers: Sequence[Answerer]) -> dict[str, Ask]:
        """Who follows the closed loop."""
        asked: dict[str, Ask] = {}
        if answerers:
            model = answerers[0]
            asked[model.name] = lambda problems: self.answering.answer(model, problems)
        rule = next((name for name in RULES if name in self.baselines), None)
        for name in dict.fromkeys(name for name in (self.baseline, rule) if name in self.baselines):
            asked[str(name)] = self._asking(str(name))
        return asked

    def _asking(self, name: str) -> Ask:
        return lambda problems: self.advised(problems, [name])[name]

    def listen(self, problems: Sequence[Problem]) -> list[ListenedItem]:
        """The items with what baselines measure in them, in as many segments of a mix as models hear."""
        mixes = [self.bank.heard_at(problem, self.answering.segments) for problem in problems]
        heard = [problem for mix in mixes for problem in mix]
        batches = self.answering.hearing.batches([[(problem, problem)] for problem in heard])
        items = (self._listened(problem, batch) for problem, batch in zip(heard, batches, strict=True))
        return [together(list(islice(items, len(mix)))) for mix in mixes]

    def _listened(self, problem: Problem, batch: Batch) -> ListenedItem:
        """An item from the batch of it alone."""
        loans = {loan.stem: loan for loan in problem.borrowed}
        segments = {stem: self.bank.segment(loans.get(stem, problem)) for stem in problem.stems}
        (example,) = batch["examples"]
        return ListenedItem(
            problem=problem,
            reference=example.reference,
            segment_lufs={s: segment.lufs[s] + problem.heard_gain_db(s) for s, segment in segments.items()},
            source_lufs={
                stem: segment.lufs_source[stem] + problem.heard_gain_db(stem)
                for stem, segment in segments.items()
                if stem in segment.lufs_source
            },
            song_lufs=self.bank.song_lufs(problem),
            log_mel=self._log_mel(problem, batch),
            clip_stems=tuple(clip.stems for clip in example.clips),
        )

    def _log_mel(self, problem: Problem, batch: Batch) -> NDArray[np.float32]:
        """What rivals hear of an item: the clips, also where the model hears none of them."""
        if "input_features" in batch:
            return batch["input_features"].numpy()
        clips = self.bank.examples.example(problem).clips
        return self.answering.encoder.features([clip.samples for clip in clips])
