"""Floor of the entry points: typed schemas that the composed configuration is checked against once, up front."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mixlab.errors import ConfigError

Stem = Literal["bass", "drums", "vocals", "other"]
Baseline = Literal[
    "chance",
    "most_common",
    "best_constant",
    "text_only",
    "loudness_rule",
    "loudness_rule_genre",
    "ridge",
    "oracle",
]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
GainDb = Annotated[float, Field(ge=-60.0, le=60.0)]
LevelDbfs = Annotated[float, Field(ge=-120.0, le=0.0)]


class Schema(BaseModel):
    """A part of the configuration; keys that it does not know are refused.

    Values are checked and not converted, since a run uses what the configuration says: '0.001' as text is no number.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True, allow_inf_nan=False)


class Target(BaseModel):
    """A part that `hydra.utils.instantiate` builds; its arguments are the target's own."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    target: str = Field(alias="_target_")


class AnchorSchema(Schema):
    stem: Stem


class CategorySchema(Schema):
    probability: Share
    low_db: GainDb
    high_db: GainDb

    @model_validator(mode="after")
    def _is_a_range(self) -> CategorySchema:
        if self.low_db > self.high_db:
            raise ValueError(f"the range is inverted ({self.low_db:g} to {self.high_db:g} dB); swap low_db and high_db")
        if self.low_db * self.high_db < 0 or (self.low_db * self.high_db == 0 and self.low_db != self.high_db):
            raise ValueError(f"the range {self.low_db:g} to {self.high_db:g} dB touches or crosses 0; split it by sign")
        return self


class ErrorSchema(Schema):
    categories: dict[str, CategorySchema] = Field(min_length=1)
    rounding_db: Positive
    answer: Literal["value", "range"]

    @model_validator(mode="after")
    def _probabilities_sum_to_one(self) -> ErrorSchema:
        _sum_to_one({name: category.probability for name, category in self.categories.items()}, "probabilities")
        return self


class PromptSchema(Schema):
    weights: dict[Literal["audio_only", "incorrect_description", "advice_seeking", "correct_description"], Share]

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> PromptSchema:
        _sum_to_one({str(name): weight for name, weight in self.weights.items()}, "weights")
        return self


class InputsSchema(Schema):
    layout: Literal["stems", "anchor_rest", "mixture"]


class GatesSchema(Schema):
    mixture_dbfs: LevelDbfs
    stem_dbfs: LevelDbfs
    active_ratio: Share
    active_frame_dbfs: LevelDbfs


class LevelSchema(Schema):
    headroom_dbfs: LevelDbfs
    master_range_db: Annotated[float, Field(ge=0.0, le=30.0)]


class DataSchema(Schema):
    segment_s: Annotated[float, Field(ge=1.0)]
    segment_step_s: Annotated[float, Field(ge=0.1)]
    batch_size: PositiveCount
    eval_batch_size: PositiveCount
    examples_per_epoch: PositiveCount
    workers: Count
    prepare_workers: PositiveCount
    gates: GatesSchema
    level: LevelSchema


class ModelSchema(Schema):
    builder: Literal["tiny", "from_pretrained"]
    arguments: dict[str, Any]
    max_new_tokens: PositiveCount


class OptimSchema(Target):
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0.0)]
    warmup_steps: PositiveCount


class LossSchema(Target):
    decisive_weight: Annotated[float, Field(ge=1.0)]
    gain_weight: Annotated[float, Field(ge=0.0)]
    move_weight: Annotated[float, Field(ge=0.0)]


class TrainerSchema(Target):
    max_steps: PositiveCount
    threads: PositiveCount
    features: Literal["worker", "device"]


class WandbSchema(Schema):
    project: str
    tags: list[str]


class LoggerSchema(Schema):
    wandb: WandbSchema | None


class CallbacksSchema(Schema):
    monitor: Literal["val/loss", "val/cross_entropy", "val/joint_accuracy", "val/direction_accuracy", "val/gain_mae_db"]
    patience: PositiveCount
    progress_bar: bool


class EvaluationSchema(Schema):
    error: ErrorSchema
    prompt: PromptSchema
    segment_step_s: Annotated[float, Field(ge=0.1)]
    gates: GatesSchema
    level: LevelSchema
    seed: Count
    items_per_song: PositiveCount
    validation_items_per_song: PositiveCount
    tuning_items: PositiveCount
    baselines: list[Baseline]
    resamples: PositiveCount


class PathsSchema(Schema):
    outputs: str
    cache: str


class TrainSchema(Schema):
    """The whole configuration of `python -m mixlab.train`."""

    anchor: AnchorSchema
    error: ErrorSchema
    prompt: PromptSchema
    inputs: InputsSchema
    dataset: Target
    data: DataSchema
    model: ModelSchema
    adapter: Target
    loss: LossSchema
    optim: OptimSchema
    trainer: TrainerSchema
    logger: LoggerSchema
    callbacks: CallbacksSchema
    evaluation: EvaluationSchema
    paths: PathsSchema
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    seed: Count
    ckpt_path: str | None
    control_steps: PositiveCount
    controls: list[Literal["untrained_base", "from_scratch"]]


class DescribingSchema(Schema):
    questions: PositiveCount
    gain_range_db: Annotated[float, Field(ge=0.0, le=30.0)]
    gain_probability: Share
    master_range_db: Annotated[float, Field(ge=0.0, le=30.0)]
    level_dbfs: LevelDbfs
    labelled_probability: Share


class EarSchema(Schema):
    steps: PositiveCount
    batch_size: PositiveCount
    optim: OptimSchema


class PretrainSchema(Schema):
    """The whole configuration of `python -m mixlab.pretrain`."""

    dataset: Target
    optim: OptimSchema
    paths: PathsSchema
    gates: GatesSchema
    protocol: DescribingSchema
    start: str | None
    ear: EarSchema
    out: str
    steps: PositiveCount
    batch_size: PositiveCount
    segment_s: PositiveCount
    workers: Count
    threads: PositiveCount
    seed: Count


def check(config: dict[str, Any], schema: type[BaseModel]) -> None:
    """Check a resolved configuration against a schema.

    Raises:
        ConfigError: one sentence with the first key that is wrong, its value and the remedy.
    """
    if missing := _first_missing(config):
        raise ConfigError(f"The key '{missing}' has no value; set it, as in {missing}=...")
    try:
        schema.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "[key]")
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"The configuration has an unknown key '{key}'; remove it or correct its name.") from None
        value = first["input"]
        shown = f" is {value!r}" if not isinstance(value, dict) else ""
        raise ConfigError(f"The key '{key}'{shown}: {reason[0].lower()}{reason[1:]}.") from None


def _first_missing(node: Any, key: str = "") -> str | None:
    """The first key that a choice leaves to the user (``???``) and the user left open."""
    if node == "???":
        return key
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = (_first_missing(part, f"{key}.{name}" if key else str(name)) for name, part in parts)
    return next((name for name in found if name), None)


def _sum_to_one(values: dict[str, float], what: str) -> None:
    total = sum(values.values())
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"the {what} sum to {total:g}, not to 1 ({values}); change them so that they do")
