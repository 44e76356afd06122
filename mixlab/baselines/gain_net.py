"""Room baselines: the network of the convolutional regressor, and its training from pooled log-mel features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mixlab.baselines.base import ListenedItem

MOST_FRAMES = 100
"""Neighbouring frames are averaged until so many are left at most: levels change slowly, training is short, and items
may have heard different numbers of segments."""

FEATURES_PER_DB = 1.0 / 40.0
"""A gain of g dB on a clip moves each of its features by g / 40."""

WIDTH = 64
DROPOUT = 0.1
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
ERROR_UNIT_DB = 6.0
"""Errors are regressed in units of this, so that targets are about one."""


@dataclass(frozen=True)
class Clips:
    """Items as arrays, filled up to the same number of clips; `stems` names the last axis of most.

    Attributes:
        features: pooled log-mel, shape (items, clips, mels, frames), float16.
        power: mean power of each clip in the units of the features, shape (items, clips).
        stems: whether a stem is summed in a clip, shape (items, clips, stems); none where there is no clip.
        errors_db: injected errors, shape (items, stems).
        anchor: the anchor, one-hot, shape (items, stems).
        candidates: stems that may be at fault, shape (items, stems).
    """

    features: NDArray[np.float16]
    power: NDArray[np.float32]
    stems: NDArray[np.bool_]
    errors_db: NDArray[np.float32]
    anchor: NDArray[np.bool_]
    candidates: NDArray[np.bool_]

    @classmethod
    def of(cls, items: Sequence[ListenedItem], names: Sequence[str]) -> Clips:
        """The items as arrays; `names` are the stems that the network knows, others are left out."""
        count, clips = len(items), max(len(item.clip_stems) for item in items)
        mels, frames = items[0].log_mel.shape[1], min(MOST_FRAMES, *(item.log_mel.shape[2] for item in items))
        features = np.zeros((count, clips, mels, frames), dtype=np.float16)
        power, stems = np.zeros((count, clips), dtype=np.float32), np.zeros((count, clips, len(names)), dtype=np.bool_)
        for row, item in enumerate(items):
            edges = np.linspace(0, item.log_mel.shape[2], frames + 1).astype(int)
            for clip, log_mel in enumerate(item.log_mel):
                features[row, clip] = np.add.reduceat(log_mel, edges[:-1], axis=1) / np.diff(edges)
                power[row, clip] = 0.25 * np.log10(np.mean(10.0 ** (4.0 * log_mel.astype(np.float64))))
                stems[row, clip] = [name in item.clip_stems[clip] for name in names]
        problems = [item.problem for item in items]
        return cls(
            features,
            power,
            stems,
            np.array([[p.error_db(name) for name in names] for p in problems], dtype=np.float32),
            np.array([[name == p.anchor for name in names] for p in problems], dtype=np.bool_),
            np.array([[name in p.candidates for name in names] for p in problems], dtype=np.bool_),
        )

    def batch(self, rows: NDArray[np.int_], errors_db: NDArray[np.float32] | None = None) -> Batch:
        """Some of the items as tensors, with other errors in place of their own where `errors_db` is given.

        Other errors are exact only where every clip is one stem: a gain then moves all of its features alike.
        """
        own_db = self.errors_db[rows]
        errors_db = own_db if errors_db is None else errors_db
        stems = self.stems[rows].astype(np.float32)
        shift = (stems @ (errors_db - own_db)[:, :, None])[..., 0] * FEATURES_PER_DB
        anchor = self.anchor[rows].astype(np.float32)
        power = self.power[rows] + shift
        # The level of the clip that holds the anchor is the zero of all: a common gain changes nothing.
        holds_anchor = (stems @ anchor[:, :, None])[..., 0]
        zero = (power * holds_anchor).sum(axis=1, keepdims=True) / np.maximum(
            holds_anchor.sum(axis=1, keepdims=True), 1
        )
        features = self.features[rows].astype(np.float32) + (shift - zero)[:, :, None, None]
        anchor_db = (errors_db * anchor).sum(axis=1, keepdims=True)
        arrays = (features, power - zero, stems, anchor, np.where(self.candidates[rows], errors_db - anchor_db, 0.0))
        return Batch(*(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in arrays))


@dataclass(frozen=True)
class Batch:
    """Tensors of `Clips`, float32, levels relative to the clip of the anchor, and errors relative to the anchor."""

    features: torch.Tensor
    power: torch.Tensor
    stems: torch.Tensor
    anchor: torch.Tensor
    relative_errors_db: torch.Tensor


class GainNet(nn.Module):
    """An encoder that all clips share, the mean over clips as context, and a head that gives each stem's error.

    After the differentiable mixing console of Steinmetz et al. (2021), with a gain as the only processor. Unlike there
    stems have names, which encoder and head are told.

    Args:
        mels: of the features.
        stems: number of stems that it knows.
    """

    def __init__(self, mels: int, stems: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_convolution(mels), nn.GELU(), _convolution(WIDTH), nn.GELU())
        self.clip = nn.Sequential(nn.Linear(2 * WIDTH + mels + 1 + stems, WIDTH), nn.GELU(), nn.Dropout(DROPOUT))
        self.head = nn.Sequential(nn.Linear(2 * WIDTH + 2 * stems, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, batch: Batch) -> torch.Tensor:
        """Estimated errors of the stems relative to the anchor in dB, shape (items, stems)."""
        items, clips, mels, frames = batch.features.shape
        # Features lie about -1 to 1 around the anchor's level: in units of 10 dB they are of the order of one.
        spectra = batch.features.reshape(items * clips, mels, frames) * 4.0
        heard = self.convolutions(spectra)
        pooled = torch.cat([heard.mean(dim=-1), heard.amax(dim=-1), spectra.mean(dim=-1)], dim=-1)
        pooled = pooled.reshape(items, clips, -1)
        named = torch.cat([pooled, 4.0 * batch.power[..., None], batch.stems], dim=-1)
        is_there = (batch.stems.sum(dim=-1, keepdim=True) > 0).float()
        clip = self.clip(named) * is_there
        context = clip.sum(dim=1) / is_there.sum(dim=1).clamp_min(1.0)
        # Each stem is judged by the clip that it sounds in.
        stems = batch.stems.shape[-1]
        own = batch.stems.transpose(1, 2) @ clip
        names = torch.eye(stems).expand(items, -1, -1)
        common = torch.cat([context, batch.anchor], dim=-1)[:, None].expand(-1, stems, -1)
        return self.head(torch.cat([own, common, names], dim=-1))[..., 0] * ERROR_UNIT_DB


def _convolution(channels: int) -> nn.Conv1d:
    # Ends are repeated, since zeros would be a level of their own.
    return nn.Conv1d(channels, WIDTH, 5, stride=2, padding=2, padding_mode="replicate")


def train(clips: Clips, rows: NDArray[np.int_], steps: int, seed: int = 0) -> GainNet:
    """A network trained on some of the items; the same items give the same network on one machine.

    Where every clip is one stem each step gives the items errors of other items with the same stems, so that a song
    is heard with many errors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = GainNet(clips.features.shape[2], clips.stems.shape[2])
        optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
        rng = np.random.default_rng(seed)
        alike = _alike(clips, rows)
        for _ in range(steps):
            batch = _training_batch(clips, rows, alike, rng)
            loss = ((net(batch) - batch.relative_errors_db) / ERROR_UNIT_DB).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def estimate(net: GainNet, clips: Clips) -> NDArray[np.float64]:
    """Estimated errors relative to the anchor in dB, shape (items, stems); NaN where a stem is no candidate."""
    parts = np.array_split(np.arange(len(clips.power)), max(1, len(clips.power) // 256))
    found = np.concatenate([net(clips.batch(rows)).numpy() for rows in parts])
    return np.where(clips.candidates, found, np.nan).astype(np.float64)


def _alike(clips: Clips, rows: NDArray[np.int_]) -> dict[bytes, NDArray[np.int_]]:
    """The items by anchor and candidates; empty where a clip is the sum of several stems."""
    if (clips.stems[rows].sum(axis=2) > 1).any():
        return {}
    keys = [_key(clips, row) for row in rows]
    return {key: rows[[other == key for other in keys]] for key in set(keys)}


def _key(clips: Clips, row: int) -> bytes:
    return clips.anchor[row].tobytes() + clips.candidates[row].tobytes()


def _training_batch(
    clips: Clips, rows: NDArray[np.int_], alike: dict[bytes, NDArray[np.int_]], rng: np.random.Generator
) -> Batch:
    chosen = rows[rng.integers(len(rows), size=min(BATCH, len(rows)))]
    if not alike:
        return clips.batch(chosen)
    donors = [int(rng.choice(alike[_key(clips, row)])) for row in chosen]
    return clips.batch(chosen, clips.errors_db[donors])
