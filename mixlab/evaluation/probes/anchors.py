"""Room evaluation: does a model use the anchor: the same audio beside each anchor in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.evaluation.probes.base import PROBES, Ask, LeftOut, Probe, ProbeKind, Probing
from mixlab.language.advice import Advice
from mixlab.synthesis.problem import Problem

ANCHOR_READERS = ("loudness_rule_genre", "loudness_rule")
"""Baselines that measure every stem beside the anchor, and so can be asked with every anchor like the model."""


class AnchorSwap(ProbeKind):
    """The probe `anchor_swap`."""

    name = "anchor_swap"
    title = "Does it use the anchor?"
    caption = (
        "The same mix beside each anchor in turn. Distance: how far the gains advised beside one anchor are "
        "from those advised beside another, once all are taken relative to the same stem; anchor blind is the "
        "model as if it never took notice of the anchor. Whoever advises nothing is consistent as well, so "
        "the error in dB stands beside."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of the chosen items, and of the baselines that measure every stem beside the anchor."""
        if probing.anchors is not None and len(probing.anchors) < 2:
            raise LeftOut(
                "The probe anchor_swap was left out: the checkpoint was trained beside the anchor "
                f"'{probing.anchors[0]}' alone, so that another one means nothing to it (train with error=relative "
                "anchor=random)."
            )
        if not probing.error.relative:
            raise LeftOut(
                "The probe anchor_swap was left out: only relative errors are an error beside every anchor "
                "(evaluation/error=relative)."
            )
        methods = {"": probing.model, **probing.baselines(ANCHOR_READERS)}
        return self.of(probing.chosen, methods, probing.resamples)

    @classmethod
    def of(cls, problems: Sequence[Problem], methods: Mapping[str, Ask], resamples: int) -> Probe:
        """Does it use the anchor: the same audio and errors under each anchor in turn.

        Gains advised beside one anchor, minus what they advise for another stem, are those needed beside that one. The
        figures compare them with what is advised when it really is the anchor: ``distance_db``, the mean over stems and
        pairs of anchors, and ``same_direction``. A method that advises nothing is consistent as well, so
        ``gain_mae_db`` says how far the gains are from those needed, over all stems and anchors. ``anchor_blind`` is
        the model as if it never took notice of the anchor: what it advises beside one is kept beside the other.
        """
        asked = [[_anchored(problem, anchor) for anchor in sorted(problem.stems)] for problem in problems]
        flat = [variant for variants in asked for variant in variants]
        figures: dict[str, dict[str, ArrayLike]] = {}
        for method, ask in methods.items():
            answers = iter(ask(flat))
            rows, blind_rows = [], []
            for variants in asked:
                stems = sorted(variants[0].stems)
                # Row: the anchor, which itself stays at 0 dB; an answer that cannot be read moves nothing.
                said = np.array(
                    [[(a or Advice()).gain_db(s) for s in stems] for a in (next(answers) for _ in variants)]
                )
                np.fill_diagonal(said, 0.0)
                needed = np.array([[v.needed_gains_db.get(s, 0.0) for s in stems] for v in variants])
                other = ~np.eye(len(stems), dtype=bool)
                mae_db = np.abs(said - needed)[other].mean()
                rows.append((*_consistency(said, np.broadcast_to(said, (len(stems), *said.shape))), mae_db))
                blind_rows.append(_consistency(said, np.broadcast_to(said[:, None], (len(stems), *said.shape))))
            figures[method] = dict(zip(("distance_db", "same_direction", "gain_mae_db"), np.array(rows).T, strict=True))
            if not method:
                figures["anchor_blind"] = dict(
                    zip(("distance_db", "same_direction"), np.array(blind_rows).T, strict=True)
                )
        return cls.found([problem.work_id for problem in problems], figures, resamples)


def _anchored(problem: Problem, anchor: str) -> Problem:
    return replace(problem, anchor=anchor, stems=(anchor, *sorted(stem for stem in problem.stems if stem != anchor)))


def _consistency(said: NDArray[np.float64], given: NDArray[np.float64]) -> tuple[float, float]:
    """Mean distance in dB between gains re-referenced and gains given, and the share of equal directions.

    Args:
        said: gain of each stem beside each anchor in dB, shape (anchors, stems), stems in the order of the anchors.
        given: what was advised beside the second of two anchors, shape (first, second, stems).
    """
    expected = said[:, None, :] - said[:, :, None]
    same = np.eye(len(said), dtype=bool)
    counted = ~same[:, :, None] & ~same[None]
    distance_db = np.abs(expected - given)[counted].mean()
    return float(distance_db), float((np.sign(expected) == np.sign(given))[counted].mean())


PROBES.add(AnchorSwap())
