"""Room evaluation: who answers problems; loaded models do on every device, with the same texts as on one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from mixlab.chat.collate import move_batch
from mixlab.chat.datasets import generation_loader
from mixlab.chat.encoder import ChatEncoder
from mixlab.items.bank import ItemBank
from mixlab.models.backbones.base import Backbone
from mixlab.models.constrained import GrammarDecoder
from mixlab.models.generate import predict
from mixlab.runs.trainer import Devices
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import Kind
from mixlab.synthesis.problem import Problem


class Answerer(ABC):
    """Whoever answers in words: one row of the results.

    Attributes:
        name: of its row.
        detail: what sets it apart from other rows of its kind.
    """

    name: str
    kind: Kind
    detail: str

    @abstractmethod
    def answer(
        self, asked: Answering, problems: Sequence[Problem], audio_of: Sequence[Problem] | None
    ) -> list[Prediction]:
        """As `Answering.answer`."""

    def notes(self) -> list[str]:
        """Sentences for the report on what it left unanswered."""
        return []


@dataclass(frozen=True)
class LoadedModel(Answerer):
    """A model on the devices of the run; with a decoder it says only what can be read back."""

    name: str
    kind: Kind
    backbone: Backbone
    max_new_tokens: int
    detail: str = ""
    decoder: GrammarDecoder | None = None

    def answer(
        self, asked: Answering, problems: Sequence[Problem], audio_of: Sequence[Problem] | None
    ) -> list[Prediction]:
        """Each process answers its share."""
        from rich.progress import track

        devices = asked.devices
        rank, world_size = devices.rank, devices.world_size
        own, own_audio = problems[rank::world_size], None if audio_of is None else audio_of[rank::world_size]
        predictions: list[Prediction] = []
        self.backbone.model.to(devices.device)
        if own:
            loader = generation_loader(asked.bank, asked.encoder, own, own_audio)
            shown = track(loader, description=f"Answering: {self.name}", total=len(loader), disable=rank > 0)
            for batch in shown:
                predictions += predict(
                    self.backbone, move_batch(batch, devices.device), self.max_new_tokens, self.decoder
                )
        self.backbone.model.cpu()
        shares = devices.gather(predictions)
        return [shares[index % world_size][index // world_size] for index in range(len(problems))]


class Answering:
    """Has problems of a bank answered.

    All processes have to ask the same questions in the same order.

    Args:
        bank: makes the examples.
        encoder: of the models.
        devices: that answer.
    """

    def __init__(self, bank: ItemBank, encoder: ChatEncoder, devices: Devices) -> None:
        self.bank, self.encoder, self.devices = bank, encoder, devices

    def answer(
        self, answerer: Answerer, problems: Sequence[Problem], audio_of: Sequence[Problem] | None = None
    ) -> list[Prediction]:
        """The answers to problems, in their order; with `audio_of`, to the clips of other ones."""
        return answerer.answer(self, problems, audio_of)
