"""Room models: the families of joined backbones: an encoder before a language model, and codes as words of one."""

from __future__ import annotations

from typing import Any

from mixlab.data.chat import Chat
from mixlab.models.backbones.base import Family
from mixlab.models.backbones.hearing import JoinedChat, SoundProcessor
from mixlab.models.backbones.joined import CascadeForConditionalGeneration, UnifiedForConditionalGeneration


class CascadeFamily(Family):
    """An audio encoder, a projector and a language model; each clip has a slot of its own."""

    name = "cascade"
    model_class = CascadeForConditionalGeneration.__name__

    def loaded_class(self) -> Any:
        """Mixlab's own."""
        return CascadeForConditionalGeneration

    def read_processor(self, name: str, revision: str | None = None) -> Any:
        """A SoundProcessor."""
        return SoundProcessor.read(name, revision)

    def chat(self, processor: Any) -> Chat:
        """In the words of the language model's own template."""
        return JoinedChat(processor)


class UnifiedFamily(CascadeFamily):
    """Audio codes as words of a language model; otherwise as a cascade."""

    name = "unified"
    model_class = UnifiedForConditionalGeneration.__name__

    def loaded_class(self) -> Any:
        """Mixlab's own."""
        return UnifiedForConditionalGeneration
