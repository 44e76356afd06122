"""Room data: test items like those that a run trains on, beside the frozen ones that all runs share."""

from __future__ import annotations

import copy
from dataclasses import replace

from mixlab.data.module import MixDataModule
from mixlab.synthesis.draw import drawable


def as_trained(data: MixDataModule) -> MixDataModule | None:
    """A data module whose test items have the errors and prompts of training, which the frozen ones may not have.

    Seed, segments, levels and gates stay those of the frozen items, so that an item differs in nothing else from the
    frozen one of its name.

    Args:
        data: set up; it stays as it is.

    Returns:
        None where the frozen items are drawn in that way already, or where no others can be made audible.
    """
    asked, trained = data.frozen.protocol, data.protocol
    if not data.can_vary or (asked.error == trained.error and asked.prompt.shares == trained.prompt.shares):
        return None
    own = copy.copy(data)
    own.frozen = replace(data.frozen, protocol=replace(asked, error=trained.error, prompt=trained.prompt))
    own.segments = data.segments | {"test": drawable(data.segments.get("test", []), own.frozen.protocol)}
    return own
