"""The backbone that the group `model` describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixlab.chat.form import Chat
from mixlab.models.backbones.base import Backbone
from mixlab.models.checkpoints import recipe_of
from mixlab.models.settings import ModelSettings
from mixlab.settings import Plain
from mixlab.synthesis.example import Layout

PLACES = ("base", "folder", "name", "audio_encoder", "language_model", "codec")
"""Arguments that may name a folder."""


def read_chat(model: ModelSettings) -> Chat:
    """The form of its conversations, without its weights.

    Raises:
        ConfigError: if it cannot be built.
    """
    return recipe_of(model.builder, model.arguments).read_chat()


def build_backbone(model: ModelSettings, layout: Layout, stems: int, segment_s: float) -> Backbone:
    """The backbone that `model` names, before any adapter.

    Args:
        layout, stems, segment_s: what it has to hear: clips of how many stems at most, and the length of each.

    Raises:
        ConfigError: if it cannot be built, or cannot hear that.
    """
    recipe = recipe_of(model.builder, model.arguments)
    recipe.read_chat().check_inputs(layout.name, layout.most_clips(stems), segment_s)
    return recipe.build()


def outline(model: ModelSettings) -> Backbone:
    """The shapes of the backbone that `model` names, on the meta device."""
    return recipe_of(model.builder, model.arguments).outline()


def located(arguments: dict[str, Plain]) -> dict[str, Any]:
    """The arguments that a backbone is known by: what is known of its shapes is none of them.

    Folders are absolute paths, since the adapter may be used from another place.
    """
    found: dict[str, Any] = {key: value for key, value in arguments.items() if key != "architectures"}
    for key in PLACES:
        if isinstance(found.get(key), str) and Path(found[key]).is_dir():
            found[key] = str(Path(found[key]).resolve())
    return found
