"""Room chat: prompts made in processes of their own, while the models that they are for answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from mixlab.chat.collate import Batch, Collator
from mixlab.chat.encoder import ChatEncoder, EncodedExample
from mixlab.chat.transport import send_small_tensors_by_value
from mixlab.items.bank import Examples
from mixlab.synthesis.problem import Problem

Asked = tuple[Problem, Problem]
"""A problem, and the one whose clips are heard, mostly itself."""

NO_SAMPLES = np.empty(0, dtype=np.float32)


class Hearing:
    """Makes batches of prompts with their features, padded on the left.

    Their examples have clips without samples, which would take longer to send than to make.

    Args:
        examples: makes problems audible.
        encoder: of the model.
        workers: processes that make examples, started when they are first needed; 0: this one alone.
    """

    def __init__(self, examples: Examples, encoder: ChatEncoder, workers: int) -> None:
        self._asked: list[list[Asked]] = []
        # Nobody trains now, so there is a core more. Spawned, as in training: a fork of a process that runs torch
        # threads may hang.
        count = workers + 1 if workers else 0
        self._loader: DataLoader[Any] = DataLoader(
            _Prompts(examples, encoder),
            batch_sampler=self._asked,
            collate_fn=_WithoutSamples(encoder),
            num_workers=count,
            persistent_workers=count > 0,
            multiprocessing_context="spawn" if count else None,
            worker_init_fn=send_small_tensors_by_value if count else None,
        )

    def batches(self, asked: Sequence[list[Asked]]) -> Iterator[Batch]:
        """The batches, in their order; all of them have to be taken before others are asked for."""
        self._asked[:] = asked
        return iter(self._loader)


class _Prompts(Dataset[EncodedExample]):
    """Encoded prompts by what is asked."""

    def __init__(self, examples: Examples, encoder: ChatEncoder) -> None:
        self.examples, self.encoder = examples, encoder

    def __getitem__(self, asked: Asked) -> EncodedExample:
        problem, heard = asked
        example = self.examples.example(problem)
        if heard is not problem:
            example = replace(example, clips=self.examples.example(heard).clips)
        return EncodedExample.of(self.encoder, example, with_response=False)


class _WithoutSamples:
    """Collates prompts, and leaves the samples of their clips behind."""

    def __init__(self, encoder: ChatEncoder) -> None:
        self._collate = Collator(encoder, features=True, left=True, keep_examples=True)

    def __call__(self, encoded: Sequence[EncodedExample]) -> Batch:
        batch = self._collate(encoded)
        batch["examples"] = [
            replace(example, clips=tuple(replace(clip, samples=NO_SAMPLES) for clip in example.clips))
            for example in batch["examples"]
        ]
        return batch
