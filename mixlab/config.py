"""Floor of the entry points: typed schemas that a composed configuration is checked against once, up front."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from mixlab.config_groups import (
    AnchorSchema,
    Baseline,
    CallbacksSchema,
    ComputeSchema,
    Count,
    DataSchema,
    ErrorSchema,
    EvaluationSchema,
    GatesSchema,
    InputsSchema,
    LevelDbfs,
    LoggerSchema,
    LogMelSchema,
    LossSchema,
    ModelSchema,
    OptimSchema,
    PathsSchema,
    PositiveCount,
    ProbesSchema,
    PromptSchema,
    Schema,
    Share,
    Target,
    TrainerSchema,
)
from mixlab.errors import ConfigError


class ExamplesSchema(Schema):
    """What every command that makes examples has to know: songs, problems, clips and frozen items."""

    anchor: AnchorSchema
    error: ErrorSchema
    prompt: PromptSchema
    inputs: InputsSchema
    dataset: Target
    data: DataSchema
    evaluation: EvaluationSchema
    paths: PathsSchema


class TrainSchema(ExamplesSchema):
    """The whole configuration of `python -m mixlab.train`."""

    model: ModelSchema
    adapter: Target
    compute: ComputeSchema
    loss: LossSchema
    optim: OptimSchema
    trainer: TrainerSchema
    logger: LoggerSchema
    callbacks: CallbacksSchema
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    seed: Count
    ckpt_path: str | None
    control_steps: PositiveCount
    controls: list[Literal["untrained_base", "from_scratch"]]


class EvaluateSchema(ExamplesSchema):
    """The whole configuration of `python -m mixlab.evaluate`."""

    model: ModelSchema
    trainer: TrainerSchema
    probes: ProbesSchema
    checkpoint: str | None
    baseline: Baseline | None
    out: str | None
    seed: Count

    @model_validator(mode="after")
    def _is_a_model_or_a_baseline(self) -> EvaluateSchema:
        if self.checkpoint is not None and self.baseline is not None:
            raise ValueError("a checkpoint and a baseline were given; evaluate one of them, with the other set to null")
        return self


class CompareSchema(Schema):
    """The whole configuration of `python -m mixlab.compare`."""

    runs: list[str | list[str]] = Field(min_length=2)
    names: list[str] | None
    split: Annotated[str, Field(pattern=r"^\w+$")]
    metrics: list[str] = Field(min_length=1)
    resamples: PositiveCount
    permutations: PositiveCount
    out: str

    @model_validator(mode="after")
    def _has_a_name_for_each(self) -> CompareSchema:
        if self.names is not None and (len(self.names) != len(self.runs) or len(set(self.names)) != len(self.names)):
            raise ValueError(f"names holds {self.names} for {len(self.runs)} runs; give each run a name of its own")
        return self


class DashboardSchema(Schema):
    """The whole configuration of `python -m mixlab.dashboard`."""

    runs: list[str]
    entity: str | None
    project: str
    out: str

    @model_validator(mode="after")
    def _shows_something(self) -> DashboardSchema:
        if not self.runs and self.entity is None:
            raise ValueError("set runs=[...], local run folders for a page, or entity=..., a W&B account")
        return self


class PrepareSchema(Schema):
    """The whole configuration of `python -m mixlab.prepare`."""

    dataset: Target
    data: DataSchema
    paths: PathsSchema
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    sample_rate: Annotated[int, Field(ge=8000)]


class ExportSchema(ExamplesSchema):
    """The whole configuration of `python -m mixlab.export`."""

    out: str | None
    rebuild: str | None
    clips: Literal["float32", "pcm24"]
    audio: Literal["free", "all"]
    train_items: PositiveCount
    seed: Count

    @model_validator(mode="after")
    def _has_one_folder(self) -> ExportSchema:
        if bool(self.out) == bool(self.rebuild):
            raise ValueError("set either out=..., the folder of a new data set, or rebuild=..., that of an old one")
        return self


class AssembleSchema(Schema):
    """The whole configuration of `python -m mixlab.assemble`."""

    paths: PathsSchema
    out: str


class FormatSchema(Schema):
    """Which field of a row of predictions holds what."""

    kind: Literal["mixlab", "fields"]
    text: str | None = None
    reference: str | None = None
    prompt: str | None = None
    item: str | None = None
    song: str | None = None
    genre: str | None = None
    anchor: str | None = None
    stems: list[str] | None = None
    target: str | None = None
    gain_db: str | None = None
    gain_is: Literal["error", "needed"] = "error"
    category: str | None = None
    balanced: list[str] = Field(default_factory=list)
    low_db: str | None = None
    high_db: str | None = None
    patterns: dict[str, str] = Field(default_factory=dict)
    protocol: Literal["mixingbuddy"] | None = None

    @model_validator(mode="after")
    def _has_the_fields_of_its_kind(self) -> FormatSchema:
        missing = [name for name in ("text", "stems", "target", "gain_db") if not getattr(self, name)]
        if self.kind == "fields" and missing:
            raise ValueError(
                f"kind is fields, which needs {', '.join(missing)}; set them as conf/format/fields.yaml does"
            )
        if self.kind == "mixlab" and len(missing) < 4:
            raise ValueError("kind is mixlab, whose fields are known; name no fields, or choose format=fields")
        if (self.low_db is None) != (self.high_db is None):
            raise ValueError("low_db and high_db are the two ends of a range; set both or neither")
        return self

    @field_validator("patterns")
    @classmethod
    def _are_patterns(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if name not in cls.model_fields:
                raise ValueError(f"there is no key '{name}' that a pattern could be for; use one of the format's keys")
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"the pattern of '{name}' is no regular expression ({error}); correct it") from None
            if groups != 1:
                raise ValueError(f"the pattern of '{name}' has {groups} groups; put what is to be taken into one ( )")
        return patterns


class ScoreSchema(Schema):
    """The whole configuration of `python -m mixlab.score`."""

    predictions: str
    format: FormatSchema
    out: str | None
    resamples: PositiveCount


class MergeSchema(Schema):
    """The whole configuration of `python -m mixlab.merge`."""

    checkpoint: str
    out: str


class CodebookSchema(ExamplesSchema):
    """The whole configuration of `python -m mixlab.codebook`."""

    out: str
    codes: Annotated[int, Field(ge=2)]
    examples: PositiveCount
    log_mel: LogMelSchema
    seed: Count


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
        where = f"The key '{key}'{shown}" if key else "The configuration does not fit together"
        raise ConfigError(f"{where}: {reason[0].lower()}{reason[1:]}.") from None


def _first_missing(node: Any, key: str = "") -> str | None:
    """The first key that a choice leaves to the user (``???``) and the user left open."""
    if node == "???":
        return key
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = (_first_missing(part, f"{key}.{name}" if key else str(name)) for name, part in parts)
    return next((name for name in found if name), None)
