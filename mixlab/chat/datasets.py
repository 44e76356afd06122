"""Room chat: datasets of encoded examples, over the problems and examples of a bank of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from mixlab.chat.collate import Collator
from mixlab.chat.encoder import ChatEncoder, EncodedExample
from mixlab.items.bank import Examples, ItemBank, TrainingProblems
from mixlab.synthesis.problem import Problem


class TrainingExamples(Dataset[EncodedExample]):
    """Endless training examples by (epoch, index), each a pure function of (seed, epoch, index)."""

    def __init__(self, problems: TrainingProblems, examples: Examples, encoder: ChatEncoder) -> None:
        self.problems, self.examples, self.encoder = problems, examples, encoder

    def __getitem__(self, key: tuple[int, int]) -> EncodedExample:
        return EncodedExample.of(self.encoder, self.examples.example(self.problems.problem(*key)), True)


class HeldoutExamples(Dataset[EncodedExample]):
    """A fixed list of problems, as validation uses it."""

    def __init__(
        self, problems: Sequence[Problem], examples: Examples, encoder: ChatEncoder, with_response: bool
    ) -> None:
        self.problems, self.examples, self.encoder = problems, examples, encoder
        self.with_response = with_response

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, index: int) -> EncodedExample:
        return EncodedExample.of(self.encoder, self.examples.example(self.problems[index]), self.with_response)


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` for a fixed number of examples an epoch, shared among processes in turn.

    Lightning calls `set_epoch`. An example is a function of its name alone, so the resume state is one integer: how
    many examples of the epoch were trained on. Two processes with half the batch see together, in every step, what one
    process sees.

    Args:
        examples_per_epoch: of all processes together.
        rank, world_size: number of this process and of all, for training on several devices.
    """

    def __init__(self, examples_per_epoch: int, rank: int = 0, world_size: int = 1) -> None:
        self.examples_per_epoch = examples_per_epoch
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self._begun: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def go_on(self, epoch: int, examples: int) -> None:
        """Start `epoch`, and no other, after the first `examples` of it."""
        self.epoch = epoch
        self._begun = (epoch, examples)

    def __len__(self) -> int:
        """Examples of a whole epoch for this process, whether it is resumed in the middle or not."""
        return self.examples_per_epoch // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        first = self._begun[1] if self._begun is not None and self._begun[0] == epoch else 0
        whole = len(self) * self.world_size
        return ((epoch, index) for index in range(first + self.rank, whole, self.world_size))


def generation_loader(
    bank: ItemBank, encoder: ChatEncoder, problems: Sequence[Problem], features: bool = True
) -> DataLoader[Any]:
    """Batches of prompts of the given problems, padded on the left, with their examples.

    Args:
        features: compute features here; without it the waveforms travel to where the model is.
    """
    heldout = HeldoutExamples(problems, bank.examples, encoder, with_response=False)
    collate = Collator(encoder, features, left=True, keep_examples=True)
    return DataLoader(heldout, batch_size=bank.data.eval_batch_size, collate_fn=collate)
