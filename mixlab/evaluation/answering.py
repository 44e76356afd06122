"""Room evaluation: models answer problems, on every device of the trainer, with the same texts as on one."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Answerer:
    """A model that answers in words: one row of the results; with a decoder it says only what can be read back."""

    name: str
    kind: Kind
    backbone: Backbone
    max_new_tokens: int
    detail: str = ""
    decoder: GrammarDecoder | None = None


class Answering:
    """Has models answer problems of a bank, each process its share of them.

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
        """A model's answers to problems, in their order; with `audio_of`, to the clips of other ones."""
        from rich.progress import track

        rank, world_size = self.devices.rank, self.devices.world_size
        own, own_audio = problems[rank::world_size], None if audio_of is None else audio_of[rank::world_size]
        predictions: list[Prediction] = []
        answerer.backbone.model.to(self.devices.device)
        if own:
            loader = generation_loader(self.bank, self.encoder, own, own_audio)
            shown = track(loader, description=f"Answering: {answerer.name}", total=len(loader), disable=rank > 0)
            for batch in shown:
                moved = move_batch(batch, self.devices.device)
                predictions += predict(answerer.backbone, moved, answerer.max_new_tokens, answerer.decoder)
        answerer.backbone.model.cpu()
        shares = self.devices.gather(predictions)
        return [shares[index % world_size][index // world_size] for index in range(len(problems))]
