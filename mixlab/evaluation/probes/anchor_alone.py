"""Room evaluation: does a model need the anchor: the anchor alone is made louder or quieter, or is another song's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.probes.audio import other_audio
from mixlab.evaluation.probes.base import PROBES, Ask, LeftOut, ProbeKind, Probing, answer_class, changes, needed_class
from mixlab.scoring.probe import Probe
from mixlab.synthesis.problem import BorrowedStem, GainError, Problem

GAINS_DB = (-6.0, -3.0, 3.0, 6.0)
"""Gains on the anchor alone."""

BESIDE = ("loudness_rule_heard", "bayes_heard", "anchor_deaf")
"""Baselines that are asked the same: two that hear the genre and the anchor, and one that is deaf to the anchor."""


class AnchorGain(ProbeKind):
    """The probe `anchor_gain`."""

    name = "anchor_gain"
    title = "Does it notice the anchor's level?"
    caption = (
        "The same mix with a gain on the anchor alone, so that every other stem is off by as much. Changes: the share "
        "of answers that name other stems or directions than at 0 dB. Who never listens to the anchor, or says nothing "
        "that can be read, changes nothing. Joint: stems and directions are right beside the anchor as it now is; only "
        "where several stems may be at fault, since nobody can say that all are who may name one."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of the chosen items, and of baselines that hear the anchor or do not."""
        several = probing.error.most_faults is None or probing.error.most_faults > 1
        return self.of(probing.chosen, {"": probing.model, **probing.baselines(BESIDE)}, several, probing.resamples)

    @classmethod
    def of(cls, problems: Sequence[Problem], methods: Mapping[str, Ask], several: bool, resamples: int) -> Probe:
        """Does it notice the anchor's level: the same item with each of `GAINS_DB` on the anchor alone.

        Figures: ``changes``, the mean over the gains of the share of answers that are not those at 0 dB;
        ``changes_at_db=<gain>``, at one of them; where `several` stems may be named, ``joint_at_db=<gain>``, joint
        accuracy under the truth that moves with the anchor.
        """
        gains_db = (0.0, *GAINS_DB)
        asked = [[with_anchor_gain(problem, gain_db) for gain_db in gains_db] for problem in problems]
        flat = [variant for variants in asked for variant in variants]
        figures: dict[str, dict[str, ArrayLike]] = {}
        for method, ask in methods.items():
            answers = iter(ask(flat))
            said = [[next(answers) for _ in variants] for variants in asked]
            changed = np.array([[changes(first, other) for other in others] for first, *others in said])
            figures[method] = {"changes": changed.mean(axis=1)}
            figures[method] |= {f"changes_at_db={g:g}": changed[:, place] for place, g in enumerate(GAINS_DB)}
            if several:
                right = np.array(
                    [
                        [float(answer_class(a) == needed_class(v)) for a, v in zip(answered, variants, strict=True)]
                        for answered, variants in zip(said, asked, strict=True)
                    ]
                )
                figures[method] |= {f"joint_at_db={g:g}": right[:, place] for place, g in enumerate(gains_db)}
        return cls.found([problem.work_id for problem in problems], figures, resamples)


class OtherAnchor(ProbeKind):
    """The probe `other_anchor`."""

    name = "other_anchor"
    title = "What is left with the anchor of another song?"
    caption = (
        "The same mix beside the anchor of another song, as loud as it was there, which says nothing of how loud the "
        "other stems should be. Joint accuracy under the truth as it was: what of the result needs no anchor; drop: "
        "what the song's own anchor adds to that; changes: the share of answers that name other stems or directions."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of the chosen items, and of baselines that hear the anchor or do not.

        Raises:
            LeftOut: where all items are of one song.
        """
        variants = with_other_anchors(probing.chosen)
        if not variants:
            raise LeftOut("The probe other_anchor was left out: there is no anchor of another song.")
        return self.of(variants, {"": probing.model, **probing.baselines(BESIDE)}, probing.resamples)

    @classmethod
    def of(cls, variants: Sequence[tuple[Problem, Problem]], methods: Mapping[str, Ask], resamples: int) -> Probe:
        """What is left with the anchor of another song.

        Args:
            variants: each item as it is, and with another anchor.
            methods: name -> what answers; the model's name is empty.
        """
        figures: dict[str, dict[str, ArrayLike]] = {}
        for method, ask in methods.items():
            answers = iter(ask([variant for pair in variants for variant in pair]))
            said = [(next(answers), next(answers)) for _ in variants]
            own, other = np.array(
                [
                    [float(answer_class(answer) == needed_class(problem)) for answer in pair]
                    for pair, (problem, _) in zip(said, variants, strict=True)
                ]
            ).T
            figures[method] = {
                "joint_accuracy": other,
                "drop": own - other,
                "changes": [changes(*pair) for pair in said],
            }
        return cls.found([problem.work_id for problem, _ in variants], figures, resamples)


def with_anchor_gain(problem: Problem, gain_db: float) -> Problem:
    """The problem with a gain on the anchor alone; what every other stem needs moves with it."""
    if gain_db == 0:
        return problem
    error = GainError(problem.anchor, problem.error_db(problem.anchor) + gain_db)
    others = tuple(error for error in problem.errors if error.stem != problem.anchor)
    return replace(problem, errors=(error, *others))


def with_other_anchors(problems: Sequence[Problem]) -> list[tuple[Problem, Problem]]:
    """Each problem that another song has an anchor for, as it is and with that anchor.

    The borrowed anchor keeps the level that it has in its own mix, once both mixes are brought to one level.
    """
    pairs = []
    for problem, donor in zip(problems, other_audio(problems, seed=0) or (), strict=False):
        if donor.anchor == problem.anchor:
            gain_db = donor.headroom_gain_db - problem.headroom_gain_db
            loan = BorrowedStem(problem.anchor, donor.song_id, donor.start_s, gain_db)
            pairs.append((problem, replace(problem, borrowed=(loan,))))
    return pairs


PROBES.add(AnchorGain())
PROBES.add(OtherAnchor())
