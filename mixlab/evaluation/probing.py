"""Room evaluation: the probes of an evaluation: which can be asked of a model, and the baselines beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixlab.evaluation.probes import (
    Ask,
    Probe,
    anchor_swap_probe,
    claim_swap_probe,
    constrained_probe,
    global_gain_probe,
    shuffled_audio_probe,
    spread,
)
from mixlab.evaluation.results import SplitResult
from mixlab.evaluation.run import SHUFFLED_AUDIO, Answerer, Evaluator
from mixlab.language.advice import Advice
from mixlab.models.constrained import GrammarDecoder
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem

ANCHOR_READERS = ("loudness_rule_genre", "loudness_rule")
"""Baselines that measure every stem beside the anchor; those of a run are asked with every anchor like the model."""


AS_THEY_ARE = ("audio_shuffled", "constrained")
"""Probes that take all items as they are, and make no variants of them."""


@dataclass(frozen=True)
class ProbeSettings:
    """Which probes, on how many items, and the master levels in dB that `global_gain` tries beside 0."""

    which: Sequence[str]
    items: int
    levels_db: Sequence[float]


def run_probes(
    evaluator: Evaluator,
    result: SplitResult,
    answerer: Answerer,
    settings: ProbeSettings,
    anchors: Sequence[str] | None,
) -> tuple[list[Probe], list[str]]:
    """Ask a model in other ways about items of the split that it has answered.

    Args:
        anchors: that the model was trained on; None where it was not trained, and so can be asked with any.

    Returns:
        What was found, and a sentence on each probe that could not be asked.
    """
    probes: list[Probe] = []
    notes: list[str] = []
    predictions, resamples = result.predictions, evaluator.resamples
    if "audio_shuffled" in settings.which:
        if SHUFFLED_AUDIO in predictions:
            heard = predictions[answerer.name]
            probes.append(shuffled_audio_probe(heard, predictions[SHUFFLED_AUDIO], resamples))
        else:
            notes.append("The probe audio_shuffled was left out: all items are of one song.")
    if "constrained" in settings.which:
        probes.append(_constrained(evaluator, predictions[answerer.name], answerer))
    varied = [name for name in settings.which if name not in AS_THEY_ARE]
    if varied and not evaluator.data.can_vary:
        notes.append(f"Left out since exported clips are as they are: the probes {', '.join(varied)}.")
        return probes, notes
    chosen = spread([prediction.problem for prediction in predictions[answerer.name]], settings.items)
    if varied and not chosen:
        notes.append(f"Left out since every item has a claim in its prompt: the probes {', '.join(varied)}.")
        return probes, notes
    beside = _Beside(evaluator, chosen if varied else [])

    def model(problems: Sequence[Problem]) -> list[Advice | None]:
        return [prediction.advice for prediction in evaluator.answer(answerer, problems)]

    if "claim_swap" in varied:
        readers = {name: beside.asking(name) for name, b in evaluator.baselines.items() if b.reads_claims}
        probes.append(claim_swap_probe(chosen, {"": model, **readers}, resamples))
    if "anchor_swap" in varied:
        if (reason := _no_anchor_swap(evaluator, anchors)) is not None:
            notes.append(reason)
        else:
            readers = {name: beside.asking(name) for name in ANCHOR_READERS if name in evaluator.baselines}
            probes.append(anchor_swap_probe(chosen, {"": model, **readers}, resamples))
    if "global_gain" in varied:
        probes.append(global_gain_probe(chosen, {"": model}, list(settings.levels_db), resamples))
    return probes, notes


def _constrained(evaluator: Evaluator, free: Sequence[Prediction], answerer: Answerer) -> Probe:
    """The model's answers again, under the grammar of as many moves as the items may need."""
    error = evaluator.data.frozen.protocol.error
    problems = [prediction.problem for prediction in free]
    most = max(len(problem.stems) for problem in problems) if error.relative else len(error.faulty_stems)
    decoder = GrammarDecoder(answerer.backbone, most)
    return constrained_probe(free, evaluator.answer(replace(answerer, decoder=decoder), problems), evaluator.resamples)


def _no_anchor_swap(evaluator: Evaluator, anchors: Sequence[str] | None) -> str | None:
    """Why the anchor cannot be swapped; None where it can."""
    if anchors is not None and len(anchors) < 2:
        return (
            f"The probe anchor_swap was left out: the checkpoint was trained beside the anchor '{anchors[0]}' alone, "
            "so that another one means nothing to it (train with error=relative anchor=random)."
        )
    if not evaluator.data.frozen.protocol.error.relative:
        return (
            "The probe anchor_swap was left out: only relative errors are an error beside every anchor "
            "(evaluation/error=relative)."
        )
    return None


class _Beside:
    """Baselines asked about variants of items, which are listened to once: no variant changes the stems' sound."""

    def __init__(self, evaluator: Evaluator, problems: Sequence[Problem]) -> None:
        self.evaluator = evaluator
        self._items = {item.problem.item_id: item for item in evaluator.listen(problems)}

    def asking(self, name: str) -> Ask:
        """What answers variants with the baseline `name`."""
        baseline = self.evaluator.baselines[name]
        return lambda variants: baseline.advise([replace(self._items[v.item_id], problem=v) for v in variants])
