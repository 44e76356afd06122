"""Room evaluation: who answers problems; loaded models do on every device, with the same texts as on one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mixlab.chat.collate import Batch, move_batch
from mixlab.chat.encoder import ChatEncoder
from mixlab.chat.hearing import Asked, Hearing
from mixlab.errors import ConfigError
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
        """Each process answers its share.

        Where several segments of a mix are heard, their scores are added up to one answer (`generate.OneAnswer`).
        """
        from rich.progress import track

        devices = asked.devices
        rank, world_size = devices.rank, devices.world_size
        own, own_audio = problems[rank::world_size], None if audio_of is None else audio_of[rank::world_size]
        predictions: list[Prediction] = []
        self.backbone.model.to(devices.device)
        if own:
            batches, groups = asked.batches(own, own_audio)
            shown = track(batches, description=f"Answering: {self.name}", total=len(groups), disable=rank > 0)
            for batch, sizes in zip(shown, groups, strict=True):
                moved = move_batch(batch, devices.device)
                together = sizes if asked.segments > 1 else None
                predictions += predict(self.backbone, moved, self.max_new_tokens, self.decoder, together)
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
        segments: of a mix that are heard for one answer, at most.

    Raises:
        ConfigError: if several are asked for of clips that are as they are.
    """

    def __init__(self, bank: ItemBank, encoder: ChatEncoder, devices: Devices, segments: int = 1) -> None:
        self.bank, self.encoder, self.devices, self.segments = bank, encoder, devices, segments
        if segments > 1 and not bank.can_vary:
            raise ConfigError(
                f"evaluation.segments is {segments}, but an exported data set has one segment of each mix; set it to 1."
            )

    @cached_property
    def hearing(self) -> Hearing:
        """Makes prompts; its processes start when they are first needed."""
        return Hearing(self.bank.examples, self.encoder, self.bank.data.workers)

    def answer(
        self, answerer: Answerer, problems: Sequence[Problem], audio_of: Sequence[Problem] | None = None
    ) -> list[Prediction]:
        """The answers to problems, in their order; with `audio_of`, to the clips of other ones."""
        return answerer.answer(self, problems, audio_of)

    def batches(
        self, problems: Sequence[Problem], audio_of: Sequence[Problem] | None
    ) -> tuple[Iterator[Batch], list[list[int]]]:
        """Batches of prompts, and for each how many of its prompts in a row are of one mix."""
        heard = [self.bank.heard_at(problem, self.segments) for problem in problems]
        audio = heard
        if audio_of is not None:
            audio = [self.bank.heard_at(problem, self.segments) for problem in audio_of]
        # Of two songs, as many segments as both have.
        mixes = [list(zip(own, other, strict=False)) for own, other in zip(heard, audio, strict=True)]
        packed = _packed(mixes, self.bank.data.eval_batch_size)
        batches = self.hearing.batches([[asked for mix in mixes for asked in mix] for mixes in packed])
        return batches, [[len(mix) for mix in mixes] for mixes in packed]


def _packed(mixes: Sequence[list[Asked]], most: int) -> list[list[list[Asked]]]:
    """The mixes in their order, with as many prompts to a batch as it may hold, and one mix at least."""
    packed: list[list[list[Asked]]] = []
    room = 0
    for mix in mixes:
        if len(mix) > room:
            packed.append([])
            room = most
        packed[-1].append(mix)
        room -= len(mix)
    return packed
