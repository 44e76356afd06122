"""The groups of a configuration that describe a model; imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mixlab.settings import NotNegative, Plain, Positive, PositiveCount, Settings, Spelled


class ModelSettings(Settings):
    """The group `model`: how the backbone is built.

    Attributes:
        builder: a name in `checkpoints.BUILDERS`; `arguments` are its own.
        max_new_tokens: limit of a response.
    """

    builder: str
    arguments: dict[str, Plain]
    max_new_tokens: PositiveCount


class Attention(StrEnum):
    """Implementations of transformers."""

    SDPA = "sdpa"
    EAGER = "eager"
    FLASH_2 = "flash_attention_2"


class Compute(Settings):
    """How a language model computes what it computes: the group `compute`.

    Attributes:
        attention: implementation in transformers, such as ``sdpa``, ``eager`` or ``flash_attention_2``.
        compile: whether torch.compile runs each layer in training.
        recompute_activations: whether layers forget their activations and recompute them for the gradient (Chen et al.
            2016), which saves memory.
    """

    attention: Spelled[Attention]
    compile: bool
    recompute_activations: bool


class LossSettings(Settings):
    """What is minimised: the group `loss`.

    Attributes:
        decisive_weight: factor on response tokens that carry the meaning (stem, direction, number, verdict); 1 is the
            plain cross-entropy.
        gain_weight: weight of a helper head, thrown away after training, that reads the error of each clip's stems
            relative to the anchor from the language model's states at the clip's end; 0 for none.
        move_weight: weight of another such head, that reads at the prompt's end whether each stem is to be raised,
            lowered or left; 0 for none.
        number_sigma_db: deviation over which the target of an advised amount is spread (`NumberTargets`); 0 for none.
        number_step_db: grid of advised amounts.
    """

    decisive_weight: Annotated[float, Field(ge=1.0)] = 1.0
    gain_weight: NotNegative = 0.0
    move_weight: NotNegative = 0.0
    number_sigma_db: NotNegative = 0.0
    number_step_db: Positive = 1.0
