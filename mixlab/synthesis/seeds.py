"""Room synthesis: random generators that are a pure function of (seed, what for, epoch, index)."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """A generator for one purpose, the same on every machine, worker and run.

    Args:
        seed: the experiment's or the evaluation's seed.
        path: what the draws are for, such as ``("train", epoch, index)``; strings are hashed.
    """
    words = [int(seed) & 0xFFFFFFFF]
    for part in path:
        if isinstance(part, str):
            part = int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "little")
        words.extend((part & 0xFFFFFFFF, part >> 32))
    return np.random.default_rng(np.random.SeedSequence(words))
