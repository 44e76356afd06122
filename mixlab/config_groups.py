"""Floor of the entry points: typed schemas of the configuration's groups."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Anchor = Literal["bass", "drums", "vocals", "other", "random", "per_segment", "most_active"]
Baseline = Literal[
    "chance",
    "most_common",
    "best_constant",
    "text_only",
    "loudness_rule",
    "loudness_rule_genre",
    "loudness_rule_source",
    "loudness_rule_source_genre",
    "ridge",
    "conv_regressor",
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
    stem: Anchor


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
    kind: Literal["absolute", "relative"]
    categories: dict[Annotated[str, Field(pattern=r"^\w+$")], CategorySchema] = Field(min_length=1)
    faulty_stems: list[Share] | None = None
    tolerance_db: Positive | None = None
    rounding_db: Positive
    answer: Literal["value", "range"]
    targets: list[str] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _probabilities_sum_to_one(self) -> ErrorSchema:
        _sum_to_one({name: category.probability for name, category in self.categories.items()}, "probabilities")
        return self

    @model_validator(mode="after")
    def _has_the_keys_of_its_kind(self) -> ErrorSchema:
        needed, unused = (
            ("tolerance_db", "faulty_stems") if self.kind == "relative" else ("faulty_stems", "tolerance_db")
        )
        if getattr(self, needed) is None:
            raise ValueError(f"kind is {self.kind}, which needs {needed}; set it as conf/error/ does")
        if getattr(self, unused) is not None:
            raise ValueError(f"kind is {self.kind}, which has no use for {unused}; leave it out")
        if self.kind == "relative" and self.targets is not None:
            raise ValueError("kind is relative, where every stem may be at fault; leave targets out")
        if self.faulty_stems is not None:
            shares = {str(number): share for number, share in enumerate(self.faulty_stems, start=1)}
            _sum_to_one(shares, "probabilities of faulty_stems")
        return self

    @model_validator(mode="after")
    def _differences_can_be_heard(self) -> ErrorSchema:
        if self.tolerance_db is None:
            return self
        ranges = sorted((category.low_db, category.high_db, name) for name, category in self.categories.items())
        for (_, end_db, lower), (start_db, _, upper) in pairwise(ranges):
            if start_db - end_db < self.tolerance_db:
                raise ValueError(
                    f"'{lower}' and '{upper}' are {start_db - end_db:g} dB apart, less than tolerance_db "
                    f"({self.tolerance_db:g}), so that nobody could tell which is right; move the ranges apart"
                )
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


class AugmentationSchema(Schema):
    polarity_probability: Share
    start_jitter_s: Annotated[float, Field(ge=0.0, le=1.0)]
    cross_song_probability: Share


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
    augmentation: AugmentationSchema


class ModelSchema(Schema):
    builder: Literal["tiny", "mini", "from_pretrained", "cascade", "unified"]
    arguments: dict[str, Any]
    max_new_tokens: PositiveCount


class ComputeSchema(Schema):
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    compile: bool
    recompute_activations: bool


class OptimSchema(Target):
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0.0)]
    warmup_steps: PositiveCount
    lora_b_factor: Positive


class LossSchema(Target):
    decisive_weight: Annotated[float, Field(ge=1.0)]
    gain_weight: Annotated[float, Field(ge=0.0)]
    move_weight: Annotated[float, Field(ge=0.0)]
    number_sigma_db: Annotated[float, Field(ge=0.0)]
    number_step_db: Positive


class TrainerSchema(Target):
    max_steps: PositiveCount
    threads: PositiveCount
    features: Literal["worker", "device"]


class WandbSchema(Schema):
    project: str
    group: str | None
    tags: list[str]


class LoggerSchema(Schema):
    wandb: WandbSchema | None


class CallbacksSchema(Schema):
    monitor: Literal["val/loss", "val/cross_entropy", "val/joint_accuracy", "val/direction_accuracy", "val/gain_mae_db"]
    patience: PositiveCount
    save_every_steps: PositiveCount
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
    loop_steps: PositiveCount
    audio_examples: Annotated[int, Field(ge=0, le=6)]
    protocol: Literal["mixingbuddy"] | None = None

    @model_validator(mode="after")
    def _draws_what_the_protocols_tables_hold(self) -> EvaluationSchema:
        if self.protocol is None:
            return self
        targets, categories = {"vocals", "drums", "bass"}, {"very_quiet", "quiet", "no_error", "loud", "very_loud"}
        if set(self.error.targets or ()) != targets or set(self.error.categories) != categories:
            raise ValueError(
                f"protocol is {self.protocol}, whose tables hold errors of {', '.join(sorted(categories))} on vocals, "
                "drums or bass; set evaluation/error=mixingbuddy, or protocol to null"
            )
        if self.error.faulty_stems != [1.0]:
            raise ValueError(
                f"protocol is {self.protocol}, which has one stem at fault; set error.faulty_stems to [1.0]"
            )
        return self


class ProbesSchema(Schema):
    which: list[Literal["audio_shuffled", "constrained", "claim_swap", "anchor_swap", "global_gain"]]
    items: PositiveCount
    levels_db: list[Annotated[float, Field(ge=-30.0, le=30.0)]] = Field(min_length=1)


class LogMelSchema(Schema):
    sample_rate: Annotated[int, Field(ge=8000)]
    n_fft: PositiveCount
    hop_length: PositiveCount
    mels: PositiveCount


class PathsSchema(Schema):
    outputs: str
    cache: str


def _sum_to_one(values: dict[str, float], what: str) -> None:
    total = sum(values.values())
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"the {what} sum to {total:g}, not to 1 ({values}); change them so that they do")
