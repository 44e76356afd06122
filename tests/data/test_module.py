"""The data module: the same bytes for any number of workers, and test items that no training choice changes."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mixlab.errors import ConfigError
from mixlab.multitrack.folder import FolderSource
from mixlab.synthesis.draw import ErrorCategory, ErrorProtocol, PromptProtocol
from mixlab.synthesis.example import Inputs


def rows_of(loader, epoch: int = 0) -> list[str]:
    """A digest of each example that a loader serves: its ids without padding, and its features."""
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(epoch)
    digests = []
    for batch in loader:
        kept = batch["attention_mask"].bool()
        audio_token = int(batch["input_ids"].max()) if False else None
        assert audio_token is None
        first = 0
        for row in range(len(kept)):
            ids = batch["input_ids"][row][kept[row]]
            clips = _clips_in(ids, loader)
            features = batch["input_features"][first : first + clips]
            first += clips
            digests.append(hashlib.sha256(ids.numpy().tobytes() + features.numpy().tobytes()).hexdigest())
        assert first == len(batch["input_features"])
    return digests
