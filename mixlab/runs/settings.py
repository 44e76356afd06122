"""Room runs: the typed configuration of a run: the groups that say how a model trains and how it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from mixlab.baselines.registry import BASELINES
from mixlab.calling.settings import ServerSettings
from mixlab.chat.readings import NO_READINGS, Readings
from mixlab.items.settings import HeldoutSettings, ItemSettings
from mixlab.models.settings import Compute, LossSettings, ModelSettings
from mixlab.registry import Choice
from mixlab.scoring.formats import Protocol
from mixlab.settings import Count, FilePath, Many, Name, NotNegative, PositiveCount, Seed, Settings, Spelled, Workers
from mixlab.synthesis.example import LAYOUTS

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
        segments: of a mix that are heard for one answer, by models and rivals; songs that have fewer give what they
            have.
        audio_examples: how many of the best and of the worst examples get players.
        protocol: adds a published protocol's tables.
    """

    segments: Annotated[int, Field(ge=1, le=64)] = 1
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


SETTLED = "mixlab settles it itself; leave it out"
ENDS_BY_STEPS = "a run ends by its optimizer steps; set trainer.max_steps"
NEW_EXAMPLES = "every epoch draws new examples; set data.examples_per_epoch, or choose debug=fast to try a run out"
VALIDATES = "a run validates after every data.examples_per_epoch examples; set that"
ITEMS = "the items of validation and test are fixed; set evaluation.validation_items_per_song or items_per_song"


class TrainerSettings(Settings):
    """The group `trainer`: options of Lightning's Trainer that a run can have, and two of our own.

    An option that is None is left to Lightning's default.

    Attributes:
        threads: of the training process.
        features: where log-mel is computed.
    """

    refused: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("max_epochs", "min_epochs", "min_steps"), ENDS_BY_STEPS),
        **dict.fromkeys(("fast_dev_run", "overfit_batches", "limit_train_batches"), NEW_EXAMPLES),
        **dict.fromkeys(("val_check_interval", "check_val_every_n_epoch"), VALIDATES),
        **dict.fromkeys(("limit_val_batches", "limit_test_batches", "limit_predict_batches"), ITEMS),
        "enable_progress_bar": "set callbacks.progress_bar",
        "default_root_dir": "set paths.outputs",
        **dict.fromkeys(
            (
                "barebones", "callbacks", "enable_autolog_hparams", "enable_checkpointing", "enable_model_summary",
                "logger", "model_registry", "plugins", "reload_dataloaders_every_n_epochs", "sync_batchnorm",
                "use_distributed_sampler",
            ),
            SETTLED,
        ),
    }  # fmt: skip

    accelerator: Literal["cpu", "gpu", "cuda", "mps", "auto"]
    devices: int | str | list[int]
    max_steps: PositiveCount
    threads: Annotated[Workers, Field(ge=1)]
    features: Spelled[Features]
    strategy: str | Choice = "auto"
    num_nodes: PositiveCount | None = None
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] | None = None
    accumulate_grad_batches: PositiveCount | None = None
    gradient_clip_val: NotNegative | None = None
    gradient_clip_algorithm: Literal["norm", "value"] | None = None
    log_every_n_steps: PositiveCount | None = None
    num_sanity_val_steps: Count | None = None
    max_time: Annotated[str, Field(pattern=r"^\d+:\d\d:\d\d:\d\d$")] | None = None
    deterministic: bool | None = None
    benchmark: bool | None = None
    detect_anomaly: bool | None = None
    inference_mode: bool | None = None
    profiler: Literal["simple", "advanced"] | None = None

    @field_validator("devices", mode="before")
    @classmethod
    def _are_devices(cls, devices: Any) -> Any:
        if isinstance(devices, list):
            numbers = {number for number in devices if type(number) is int and number >= 0}
            known = 0 < len(devices) == len(numbers)
        else:
            known = devices in ("auto", -1) or (type(devices) is int and devices > 0)
        if known:
            return devices
        raise ValueError("give how many, the numbers of some as [0,1], or -1 for all that there are")

    @field_validator("strategy", mode="before")
    @classmethod
    def _is_known(cls, strategy: Any) -> Any:
        if isinstance(strategy, Mapping | Choice) or strategy in ("auto", "ddp"):
            return strategy
        raise ValueError("give auto or ddp, or choose trainer=fsdp for weights that are shared")

    @model_serializer(mode="wrap")
    def _without_what_is_left_to_lightning(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value is not None}

    @property
    def options(self) -> dict[str, Any]:
        """What Lightning's Trainer takes, the strategy left out."""
        own = {"threads", "features", "strategy"}
        return {key: value for key, value in dict(self).items() if key not in own and value is not None}


class WandbSettings(Settings):
    """A run at Weights & Biases."""

    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")]
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


class _HearingSettings(ItemSettings):
    """What any run of a model has: which items there are, and what the model gets to know of them."""

    evaluation: EvaluationSettings
    model: ModelSettings
    readings: Readings = NO_READINGS

    @model_validator(mode="after")
    def _shows_readings_of_the_clips_that_there_are(self) -> Self:
        self.readings.check_layout(LAYOUTS[self.inputs.layout])
        return self


class TrainSettings(_HearingSettings):
    """The whole configuration of `mixlab train`."""

    adapter: Choice
    compute: Compute
    loss: LossSettings
    optim: Choice
    trainer: TrainerSettings
    logger: LoggerSettings
    callbacks: CallbacksSettings
    name: Name
    ckpt_path: FilePath | None
    control_steps: PositiveCount
    controls: Many[Spelled[Control]]
    probes: ProbesSettings | None = None
    plugins: Many[str] = ()


class AnswererSettings(ServerSettings):
    """The group `answerer`: a model behind a server, in the place of one that is loaded.

    Attributes:
        instruction: said to it before everything else.
        shots: solved examples of training songs that it gets before each question.
        audio_tokens_per_s: what the server takes a second of audio for, for the estimate alone.
    """

    instruction: str
    shots: Count
    audio_tokens_per_s: NotNegative


class EvaluateSettings(_HearingSettings):
    """The whole configuration of `mixlab evaluate`."""

    trainer: TrainerSettings
    probes: ProbesSettings
    checkpoint: FilePath | None
    baseline: str | None
    answerer: AnswererSettings | None = None
    out: FilePath | None
    seed: Seed
    plugins: Many[str] = ()

    @model_validator(mode="after")
    def _is_a_model_or_a_baseline(self) -> EvaluateSettings:
        if self.checkpoint is not None and self.baseline is not None:
            raise ValueError("a checkpoint and a baseline were given; evaluate one of them, with the other set to null")
        if self.baseline is not None:
            BASELINES.check([self.baseline])
        return self

    @model_validator(mode="after")
    def _asks_a_server_what_its_cost_is_told_for(self) -> EvaluateSettings:
        if self.answerer is None:
            return self
        if self.checkpoint is not None or self.baseline is not None:
            raise ValueError("an answerer stands in a model's place; set checkpoint and baseline to null")
        if self.evaluation.loop_steps > 1 or set(self.probes.which) - {"audio_shuffled"}:
            raise ValueError(
                "the cost is told before an answerer is asked, which it cannot be for what follows from answers; set "
                "evaluation.loop_steps=1, and probes.which to [] or [audio_shuffled]"
            )
        if self.evaluation.segments > 1:
            raise ValueError("answers of a server have no scores that could be added up; set evaluation.segments=1")
        if self.readings.shown:
            raise ValueError("an answerer is sent clips and words, and no readings of a meter; set readings=none")
        if self.trainer.devices != 1 or self.trainer.strategy != "auto":
            raise ValueError("one process asks an answerer; choose trainer=cpu")
        return self
