"""Room audio: signals in blocks, so that a long file needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from mixlab.audio.files import BLOCK_FRAMES

Blocks = Iterable[NDArray[np.float32]]
"""A signal in parts of shape (channels, frames), in their order."""


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Change the sample rate along the last axis with a polyphase filter (scipy's default one), float32."""
    if from_rate == to_rate:
        return samples
    ratio = Fraction(to_rate, from_rate)
    taps = _taps(max(ratio.numerator, ratio.denominator))
    resampled = scipy.signal.resample_poly(samples, ratio.numerator, ratio.denominator, axis=-1, window=taps)
    return np.ascontiguousarray(resampled, dtype=np.float32)


def resampled(blocks: Blocks, from_rate: int, to_rate: int) -> Iterator[NDArray[np.float32]]:
    """What `resample` gives for a whole signal, block by block."""
    if from_rate == to_rate:
        yield from blocks
        return
    ratio = Fraction(to_rate, from_rate)
    up, down = ratio.numerator, ratio.denominator
    # Blocks overlap by the filter's reach. All lengths are multiples of `down`, where samples of both rates meet.
    reach = down * -(-10 * max(up, down) // (up * down))
    step = down * -(-BLOCK_FRAMES // down)
    lead, rest = 0, None
    for block in blocks:
        rest = block if rest is None else np.concatenate([rest, block], axis=1)
        while rest.shape[1] >= lead + step + reach:
            found = resample(rest[:, : lead + step + reach], from_rate, to_rate)
            yield found[:, lead * up // down : (lead + step) * up // down]
            kept = min(reach, lead + step)
            lead, rest = kept, rest[:, lead + step - kept :]
    if rest is not None:
        yield resample(rest, from_rate, to_rate)[:, lead * up // down :]


def in_steps(blocks: Blocks, step: int) -> Iterator[NDArray[np.float32]]:
    """The same signal in blocks whose lengths are multiples of `step` frames, but for the last one."""
    rest = None
    for block in blocks:
        rest = block if rest is None else np.concatenate([rest, block], axis=1)
        whole = rest.shape[1] // step * step
        if whole:
            yield rest[:, :whole]
            rest = rest[:, whole:]
    if rest is not None and rest.shape[1]:
        yield rest


def summed(signals: Sequence[tuple[Blocks, int | None]], channels: int) -> Iterator[NDArray[np.float32]]:
    """The sum of signals of one rate; those that end before the last end in silence.

    Args:
        signals: each with the channel that a mono signal goes to, None where it goes to all of them.
        channels: of the sum.
    """
    streams = [iter(blocks) for blocks, _ in signals]
    rows = [slice(None) if side is None else slice(side, side + 1) for _, side in signals]
    rests: list[NDArray[np.float32]] = [np.zeros((1, 0), dtype=np.float32)] * len(streams)
    while True:
        for number, stream in enumerate(streams):
            while not rests[number].shape[1] and (block := next(stream, None)) is not None:
                rests[number] = block
        frames = min((rest.shape[1] for rest in rests if rest.shape[1]), default=0)
        if not frames:
            return
        total = np.zeros((channels, frames), dtype=np.float32)
        for number, rest in enumerate(rests):
            total[rows[number], : rest.shape[1]] += rest[:, :frames]
            rests[number] = rest[:, frames:]
        yield total


@lru_cache(maxsize=8)
def _taps(longer: int) -> NDArray[np.float32]:
    """The filter that scipy.signal.resample_poly designs anew at every call, for the higher of both factors."""
    return scipy.signal.firwin(20 * longer + 1, 1.0 / longer, window=("kaiser", 5.0)).astype(np.float32)
