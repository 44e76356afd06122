"""Room runs: the typed configuration of a run: the groups that say how a model trains and how it is evaluated."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from mixlab.baselines.registry import BASELINES
from mixlab.items.settings import HeldoutSettings, ItemSettings
from mixlab.models.settings import Compute, LossSettings, ModelSettings
from mixlab.registry import Choice
from mixlab.scoring.formats import Protocol
from mixlab.settings import Count, Many, Name, PositiveCount, Settings, Spelled

MIXINGBUDDY_TARGETS = {"vocals", "drums", "bass"}
MIXINGBUDDY_CATEGORIES = {"very_quiet", "quiet", "no_error", "loud", "very_loud"}


class Control(StrEnum):
    """Control runs beside a model, by what is changed."""

    UNTRAINED_BASE = "untrained_base"
    FROM_SCRATCH = "from_scratch"


class Features(StrEnum):
    """Where log-mel features are computed."""

    WORKER = "worker"
    DEVICE = "device"


class EvaluationSettings(HeldoutSettings):
    """The group `evaluation`: which items validation and test use, and what is measured on them.

    Attributes:
        tuning_items: on training songs, for fitting the baselines.
        baselines: names in `BASELINES`.
        resamples: of the bootstrap over songs.
        loop_steps: of the closed loop; each beyond the first asks the model about all items once more.
        audio_examples: how many of the best and of the worst examples get players.
        protocol: adds a published protocol's tables.
    """

    tuning_items: PositiveCount
    baselines: Many[str]
    resamples: PositiveCount
    loop_steps: PositiveCount
    audio_examples: Annotated[int, Field(ge=0, le=6)]
    protocol: Spelled[Protocol] | None = None

    @field_validator("baselines")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        BASELINES.check(names)
        return names

    @model_validator(mode="after")
    def _draws_what_the_protocols_tables_hold(self) -> EvaluationSettings:
        if self.protocol is None:
            return self
        if set(self.error.targets or ()) != MIXINGBUDDY_TARGETS or set(self.error.categories) != MIXINGBUDDY_CATEGORIES:
            raise ValueError(
                f"protocol is {self.protocol}, whose tables hold errors of {', '.join(sorted(MIXINGBUDDY_CATEGORIES))} "
                "on vocals, drums or bass; set evaluation/error=mixingbuddy, or protocol to null"
            )
        if self.error.faulty_stems != (1.0,):
            raise ValueError(
                f"protocol is {self.protocol}, which has one stem at fault; set error.faulty_stems to [1.0]"
            )
        return self


class TrainerSettings(Settings):
    """The group `trainer`: options of Lightning's Trainer, passed on as they are, and two of our own.

    Attributes:
        threads: of the training process.
        features: where log-mel is computed.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)
    accelerator: str
    devices: Annotated[int | str | list[int], Field()]
    max_steps: PositiveCount
    threads: PositiveCount
    features: Spelled[Features]
    strategy: str | Choice = "auto"

    @property
    def options(self) -> dict[str, Any]:
        """What Lightning's Trainer takes, the strategy left out."""
        own = {"threads", "features", "strategy"}
        return {
            key: value for key, value in {**dict(self), **(self.__pydantic_extra__ or {})}.items() if key not in own
        }


class WandbSettings(Settings):
    """A run at Weights & Biases."""

    project: str
    group: str | None
    tags: Many[str]


class LoggerSettings(Settings):
    """The group `logger`; CSV is always on."""

    wandb: WandbSettings | None


class Monitor(StrEnum):
    """Validation figures by which a checkpoint can be chosen."""

    LOSS = "val/loss"
    CROSS_ENTROPY = "val/cross_entropy"
    JOINT_ACCURACY = "val/joint_accuracy"
    DIRECTION_ACCURACY = "val/direction_accuracy"
    GAIN_MAE_DB = "val/gain_mae_db"

    @property
    def mode(self) -> str:
        """``max`` where more is better, else ``min``."""
        return "max" if self.endswith("accuracy") else "min"


class CallbacksSettings(Settings):
    """The group `callbacks`.

    Attributes:
        monitor: the best checkpoint is the one with the lowest value (highest accuracy).
        patience: validations without improvement before training stops.
        save_every_steps: steps that a kill costs at most.
        progress_bar: on the screen.
    """

    monitor: Spelled[Monitor]
    patience: PositiveCount
    save_every_steps: PositiveCount
    progress_bar: bool


class TrainSettings(ItemSettings):
    """The whole configuration of `mixlab train`."""

    evaluation: EvaluationSettings
    model: ModelSettings
    adapter: Choice
    compute: Compute
    loss: LossSettings
    optim: Choice
    trainer: TrainerSettings
    logger: LoggerSettings
    callbacks: CallbacksSettings
    name: Name
    ckpt_path: str | None
    control_steps: PositiveCount
    controls: Many[Spelled[Control]]
    plugins: Many[str] = ()


class ProbesSettings(Settings):
    """The group `probes`.

    Attributes:
        which: names in `evaluation.probes.PROBES`.
        items: without a claim, spread over the test songs, for the probes that make variants of them.
        levels_db: master levels of ``global_gain``, beside 0 dB.
    """

    which: Many[str]
    items: PositiveCount
    levels_db: Annotated[Many[Annotated[float, Field(ge=-30.0, le=30.0)]], Field(min_length=1)]


class EvaluateSettings(ItemSettings):
    """The whole configuration of `mixlab evaluate`."""

    evaluation: EvaluationSettings
    model: ModelSettings
    trainer: TrainerSettings
    probes: ProbesSettings
    checkpoint: str | None
    baseline: str | None
    out: str | None
    seed: Count
    plugins: Many[str] = ()

    @model_validator(mode="after")
    def _is_a_model_or_a_baseline(self) -> EvaluateSettings:
        if self.checkpoint is not None and self.baseline is not None:
            raise ValueError("a checkpoint and a baseline were given; evaluate one of them, with the other set to null")
        if self.baseline is not None:
            BASELINES.check([self.baseline])
        return self
