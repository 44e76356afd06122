"""Room evaluation: does a model hold its ground: the same audio under every claim that a user may make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mixlab.evaluation.probes.base import PROBES, Ask, Class, ProbeKind, Probing, answer_class, needed_class, stays
from mixlab.language.advice import Claim
from mixlab.scoring.probe import Probe
from mixlab.synthesis.draw import all_claims
from mixlab.synthesis.problem import Problem, PromptCategory


class ClaimSwap(ProbeKind):
    """The probe `claim_swap`."""

    name = "claim_swap"
    title = "Does it hold its ground?"
    caption = (
        "The same mix under every claim that a user may make, each stem too loud or too quiet, and balanced. "
        "Stays: one and the same advice under all claims; agreement: the share of an item's answers that give "
        "its most frequent advice; believes wrong claim: exactly what was claimed wrongly is advised. Text "
        "alone is what a model scores that believes the user and never listens."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of the chosen items, and of the baselines that read claims."""
        methods = {"": probing.model, **probing.baselines(reads_claims=True)}
        return self.of(probing.chosen, methods, probing.resamples)

    @classmethod
    def of(cls, problems: Sequence[Problem], methods: Mapping[str, Ask], resamples: int) -> Probe:
        """Does it hold its ground: the same audio under every claim, each stem too loud or too quiet, and balanced.

        Figures: ``stays``, the share of items with one and the same advice (stems and directions) under all claims;
        ``agreement``, the share of an item's answers that give its most frequent advice; ``believes_wrong_claim``, the
        share of wrong claims after which just what was claimed is advised; joint accuracy after right and wrong ones.

        Args:
            problems: without a claim.
            methods: name -> what answers; the model's name is empty.
        """
        asked = [[_claiming(problem, claim) for claim in all_claims(problem.candidates)] for problem in problems]
        flat = [variant for variants in asked for variant in variants]
        figures = {}
        for method, ask in methods.items():
            answers = iter(ask(flat))
            rows = []
            for variants in asked:
                said = [next(answers) for _ in variants]
                right = np.array(
                    [answer_class(a) == needed_class(v) for a, v in zip(said, variants, strict=True)], dtype=float
                )
                holds = np.array([v.prompt_category is PromptCategory.CORRECT_DESCRIPTION for v in variants])
                believed = [
                    answer_class(a) == _claimed(v.claim)
                    for a, v, is_right in zip(said, variants, holds, strict=True)
                    if not is_right
                ]
                readable = Counter(answer_class(answer) for answer in said if answer is not None)
                common = max(readable.values(), default=0)
                rows.append((
                    stays(said), common / len(said), np.mean(believed), right[holds].mean(), right[~holds].mean()
                ))  # fmt: skip
            names = ("stays", "agreement", "believes_wrong_claim", "joint_after_right_claim", "joint_after_wrong_claim")
            figures[method] = dict(zip(names, np.array(rows, dtype=float).T, strict=True))
        return cls.found([problem.work_id for problem in problems], figures, resamples)


def _claimed(claim: Claim | None) -> Class:
    return frozenset() if claim is None or claim.stem is None else frozenset({(claim.stem, claim.direction)})


def _claiming(problem: Problem, claim: Claim) -> Problem:
    right = problem.holds(claim)
    category = PromptCategory.CORRECT_DESCRIPTION if right else PromptCategory.INCORRECT_DESCRIPTION
    return replace(problem, claim=claim, prompt_category=category)


PROBES.add(ClaimSwap())
