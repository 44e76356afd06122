"""Room evaluation: does it matter how the user says it: the same items in words of training and in held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from mixlab.evaluation.probes.base import PROBES, LeftOut, ProbeKind, Probing, changes
from mixlab.language.advice import Advice
from mixlab.scoring.metrics import outcomes
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.probe import Probe
from mixlab.synthesis.problem import Problem, PromptCategory


class Wording(ProbeKind):
    """The probe `wording`."""

    name = "wording"
    title = "Does it matter how the user says it?"
    caption = (
        "All test items with a user's sentence, which are asked in paraphrases that are held out of training, asked "
        "again in those that training has: the same clips, the same claim. Joint accuracy in seen and in unseen "
        "wording; drop: what unseen wording loses; changes: the share of items whose answers name other stems or "
        "directions. A model's own scatter is not in it: the same words get the same answer."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of all items in unseen wording; baselines read claims and no words.

        Raises:
            LeftOut: where there are none.
        """
        unseen = [prediction for prediction in probing.heard if is_worded(prediction.problem)]
        if not unseen:
            raise LeftOut("The probe wording was left out: no test item is worded otherwise than training.")
        seen = probing.model([replace(prediction.problem, unseen_wording=False) for prediction in unseen])
        return self.of(unseen, seen, probing.resamples)

    @classmethod
    def of(cls, unseen: Sequence[Prediction], seen: Sequence[Advice | None], resamples: int) -> Probe:
        """Does it matter how the user says it.

        Figures: ``joint_seen`` and ``joint_unseen``, joint accuracy; ``drop``, the first minus the second; ``changes``,
        the share of items whose answers are not the same stems and directions.

        Args:
            unseen: answers to items in unseen wording.
            seen: advice on the same items in seen wording.
        """
        reworded = [replace(a, text="", advice=advice) for a, advice in zip(unseen, seen, strict=True)]
        before, after = (outcomes(predictions)["joint_accuracy"] for predictions in (reworded, unseen))
        figures: dict[str, ArrayLike] = {
            "joint_seen": before,
            "joint_unseen": after,
            "drop": before - after,
            "changes": [changes(a.advice, advice) for a, advice in zip(unseen, seen, strict=True)],
        }
        return cls.found([prediction.problem.work_id for prediction in unseen], {"": figures}, resamples)


def is_worded(problem: Problem) -> bool:
    """Whether the user says something, in unseen wording."""
    return problem.unseen_wording and problem.prompt_category is not PromptCategory.AUDIO_ONLY


PROBES.add(Wording())
