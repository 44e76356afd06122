"""Room training: the typed configuration of making the describing base."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixlab.items.settings import PathsSettings
from mixlab.multitrack.segments import Gates
from mixlab.registry import Choice
from mixlab.settings import FilePath, PositiveCount, Seed, Settings, Workers
from mixlab.training.describing.protocol import DescribingProtocol


class EarSettings(Settings):
    """The first stage: optimizer steps, clips a step, optimizer."""

    steps: PositiveCount
    batch_size: PositiveCount
    optim: Choice


class PretrainSettings(Settings):
    """The whole configuration of `mixlab pretrain`.

    Attributes:
        dataset: songs with ``purpose: listening``, which no experiment uses.
        optim: of the second stage.
        start: folder of a base to go on from, whose ear stays as it is; None to start from nothing.
        ear: the first stage.
        steps: optimizer steps of the second stage.
        workers: processes that make examples.
        threads: of the training process.
    """

    dataset: Choice
    optim: Choice
    paths: PathsSettings
    gates: Gates
    protocol: DescribingProtocol
    start: FilePath | None
    ear: EarSettings
    out: FilePath
    steps: PositiveCount
    batch_size: PositiveCount
    segment_s: PositiveCount
    workers: Workers
    threads: Annotated[Workers, Field(ge=1)]
    seed: Seed
