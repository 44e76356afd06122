"""Room models: a tokenizer and a feature extractor, where a processor would need packages that nothing here uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoFeatureExtractor, AutoTokenizer


@dataclass(frozen=True)
class Pair:
    """Does for mixlab what a processor of transformers does; its folder loads with transformers' Auto classes."""

    tokenizer: Any
    feature_extractor: Any

    @classmethod
    def read(cls, name: str, revision: str | None, tokenizer: Any = None) -> Pair:
        """From a hub id or a folder.

        Args:
            tokenizer: in the place of the one there.
        """
        return cls(
            tokenizer or AutoTokenizer.from_pretrained(name, revision=revision),
            AutoFeatureExtractor.from_pretrained(name, revision=revision),
        )

    def save_pretrained(self, folder: Path) -> None:
        """Write both into a folder that `read` reads."""
        self.tokenizer.save_pretrained(folder)
        self.feature_extractor.save_pretrained(folder)
