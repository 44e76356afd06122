"""Room items: the groups of a configuration that decide which items there are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from mixlab.multitrack.segments import Gates
from mixlab.registry import Choice
from mixlab.settings import FilePath, PositiveCount, Seed, Settings, Workers
from mixlab.synthesis.augment import Augmentation
from mixlab.synthesis.example import LAYOUTS
from mixlab.synthesis.protocol import ErrorProtocol, LevelProtocol, PromptProtocol

StepS = Annotated[float, Field(ge=0.1)]


class AnchorSettings(Settings):
    """The group `anchor`: a stem, or the name of an `AnchorRule`."""

    stem: str


class InputsSettings(Settings):
    """The group `inputs`: which clips the model hears, by the name of a `Layout`."""

    layout: str

    @field_validator("layout")
    @classmethod
    def _is_known(cls, name: str) -> str:
        LAYOUTS.check([name])
        return name


class PathsSettings(Settings):
    """The group `paths`: the only place with locations."""

    outputs: FilePath
    cache: FilePath


class DataSettings(Settings):
    """The group `data`: how training examples are made, and how all examples are served.

    Attributes:
        segment_s: length of a segment.
        segment_step_s: grid of segment starts of training songs.
        batch_size, eval_batch_size: examples a batch, for training and for generation.
        examples_per_epoch: training examples between two validations.
        workers: processes that make examples; 0 makes them in the training process.
        prepare_workers: processes that prepare songs.
        gates: what segments and stems of training songs must reach.
        augmentation: what is changed in training examples.
        level: common gains of training examples.
    """

    segment_s: Annotated[float, Field(ge=1.0)]
    segment_step_s: StepS
    batch_size: PositiveCount
    eval_batch_size: PositiveCount
    examples_per_epoch: PositiveCount
    workers: Workers
    prepare_workers: Annotated[Workers, Field(ge=1)]
    gates: Gates
    augmentation: Augmentation
    level: LevelProtocol


class HeldoutSettings(Settings):
    """Which items validation and test use, for any training run.

    Attributes:
        error, prompt, level: their errors, prompts and levels.
        segment_step_s: grid of segment starts.
        gates: what segments and stems must reach.
        seed: of all draws.
        items_per_song: test items of each song.
        validation_items_per_song: likewise.
    """

    error: ErrorProtocol
    prompt: PromptProtocol
    level: LevelProtocol
    segment_step_s: StepS
    gates: Gates
    seed: Seed
    items_per_song: PositiveCount
    validation_items_per_song: PositiveCount


class ItemSettings(Settings):
    """All that decides the items of a run: songs, problems, clips, and what validation and test ask."""

    anchor: AnchorSettings
    error: ErrorProtocol
    prompt: PromptProtocol
    inputs: InputsSettings
    dataset: Choice
    data: DataSettings
    evaluation: HeldoutSettings
    seed: Seed
    paths: PathsSettings
