"""Room evaluation: the probes of an evaluation, asked of a model and of the baselines beside it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from mixlab.baselines.base import ListenedItem
from mixlab.evaluation.answering import Answerer, LoadedModel
from mixlab.evaluation.evaluator import SHUFFLED_AUDIO, Evaluator
from mixlab.evaluation.probes.base import PROBES, Ask, LeftOut, spread
from mixlab.language.advice import Advice
from mixlab.models.constrained import GrammarDecoder
from mixlab.runs.settings import ProbesSettings
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.probe import Probe
from mixlab.synthesis.problem import Problem


class ProbedModel:
    """A model with its answers to the items of a split, ready for further questions (see `probes.base.Probing`)."""

    def __init__(
        self,
        evaluator: Evaluator,
        answerer: Answerer,
        predictions: dict[str, list[Prediction]],
        settings: ProbesSettings,
        anchors: Sequence[str] | None,
    ) -> None:
        self.evaluator, self.answerer, self.settings, self.anchors = evaluator, answerer, settings, anchors
        self.resamples = evaluator.settings.resamples
        self.error = evaluator.bank.heldout.error
        self.heard: Sequence[Prediction] = predictions[answerer.name]
        self.shuffled: Sequence[Prediction] | None = predictions.get(SHUFFLED_AUDIO)
        self.chosen: Sequence[Problem] = spread([prediction.problem for prediction in self.heard], settings.items)
        self._heard: dict[Hashable, ListenedItem] = {}

    def model(self, problems: Sequence[Problem]) -> list[Advice | None]:
        """The model's advice on problems."""
        return [prediction.advice for prediction in self.evaluator.answering.answer(self.answerer, problems)]

    def constrained(self) -> list[Prediction]:
        """The model's answers to all items, under the grammar of as many moves as they may need."""
        if not isinstance(self.answerer, LoadedModel):
            raise LeftOut("The probe constrained was left out: a grammar can bar words of a loaded model alone.")
        problems = [prediction.problem for prediction in self.heard]
        most = self.error.most_faults or max(len(problem.stems) for problem in problems)
        decoder = GrammarDecoder(self.answerer.backbone, most)
        return self.evaluator.answering.answer(replace(self.answerer, decoder=decoder), problems)

    def baselines(self, names: Sequence[str] | None = None, reads_claims: bool | None = None) -> dict[str, Ask]:
        """Baselines by name."""
        return {
            name: self._asking(name)
            for name, baseline in self.evaluator.baselines.items()
            if (names is None or name in names) and (reads_claims is None or baseline.reads_claims == reads_claims)
        }

    def _asking(self, name: str) -> Ask:
        baseline = self.evaluator.baselines[name]
        return lambda variants: baseline.advise(self._listened(variants))

    def _listened(self, variants: Sequence[Problem]) -> list[ListenedItem]:
        """Variants with what is measured in them; what sounds the same is listened to once, whoever asks."""
        sounds = [(variant.item_id, variant.errors, variant.borrowed) for variant in variants]
        new = {sound: own for sound, own in zip(sounds, variants, strict=True) if sound not in self._heard}
        self._heard |= dict(zip(new, self.evaluator.listen(list(new.values())), strict=True))
        return [replace(self._heard[sound], problem=own) for sound, own in zip(sounds, variants, strict=True)]


def run_probes(probed: ProbedModel) -> tuple[list[Probe], list[str]]:
    """Ask a model in other ways about items of the split that it has answered.

    Returns:
        What was found, and a sentence on each probe that could not be asked.
    """
    kinds = [PROBES[name] for name in probed.settings.which]
    varied = ", ".join(kind.name for kind in kinds if kind.varies)
    probes: list[Probe] = []
    notes: list[str] = []
    if varied and not probed.evaluator.bank.can_vary:
        notes.append(f"Left out since exported clips are as they are: the probes {varied}.")
    elif varied and not probed.chosen:
        notes.append(f"Left out since every item has a claim in its prompt: the probes {varied}.")
    for kind in kinds:
        if kind.varies and (not probed.evaluator.bank.can_vary or not probed.chosen):
            continue
        try:
            probes.append(kind.ask(probed))
        except LeftOut as reason:
            notes.append(str(reason))
    return probes, notes
