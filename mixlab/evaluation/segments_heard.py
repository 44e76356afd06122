"""Room evaluation: what it brings to hear several segments of one mix before an answer is given."""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.evaluation.answering import Answerer, Answering
from mixlab.evaluation.evaluator import Evaluator
from mixlab.runs.settings import EvaluationSettings
from mixlab.scoring.bootstrap import Figure
from mixlab.scoring.results import SplitResult
from mixlab.scoring.scores import score

RIVALS = ("loudness_rule_heard", "bayes_unknown", "bayes_heard", "bayes_known")
"""Baselines that are asked with fewer segments as well."""


def by_segments(
    result: SplitResult | None,
    answerers: Sequence[Answerer],
    answering: Answering,
    settings: EvaluationSettings,
    baseline: str | None,
) -> dict[str, dict[int, Figure]]:
    """Joint accuracy on the test songs by method and number of segments heard: 1, 2, 4, ... and those of the results.

    The rivals are fitted on as many segments as they hear.

    Args:
        result: with all of `settings.segments`; None in all but the first process.

    Returns:
        What stands first in the results first; empty where one segment is heard, and in all but the first process.
    """
    counts = [2**power for power in range(settings.segments.bit_length()) if 2**power < settings.segments]
    names = tuple(name for name in RIVALS if name in settings.baselines)
    found: dict[str, dict[int, Figure]] = {} if result is None or not counts else {result.rows[0].method: {}}
    for count in counts:
        fewer = Answering(answering.bank, answering.encoder, answering.devices, count)
        evaluator = Evaluator(fewer, settings.but(segments=count, baselines=names), baseline)
        predictions = evaluator.ask("test", answerers[:1])
        if result is not None:
            predictions |= evaluator.advised(answering.bank.problems("test"), list(evaluator.baselines))
            for name, said in predictions.items():
                if (figure := score(said, settings.resamples).overall.figure("joint_accuracy")) is not None:
                    found.setdefault(name, {})[count] = figure
    for row in [] if result is None else result.rows:
        if row.method in found and (figure := row.figure("joint_accuracy")) is not None:
            found[row.method][settings.segments] = figure
    return found
