"""Room baselines: a small convolutional gain regressor, after the differentiable mixing console."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, Facts, ListenedItem, require_items
from mixlab.baselines.decision import ThresholdDecision
from mixlab.language.advice import Advice
from mixlab.storage import write_whole

if TYPE_CHECKING:
    from mixlab.baselines.gain_net import Clips, GainNet

HELD_OUT_SHARE = 0.2
"""Share of the training songs that the network never sees and the decision is tuned on."""

NETWORK_VERSION = 1
"""Part of the key of a kept network; raise it when another one comes from the same items."""


class ConvRegressor(Baseline):
    """Regression of every stem's error by a network that hears all clips (see `gain_net.GainNet`).

    It is trained on four fifths of the training songs; the threshold and the slope of its decision are tuned on the
    others, as the ridge's are on songs held out in turn.

    Args:
        rounding_db: of the advised gain.
        cache_dir: where trained networks are kept, by what they were trained on; None keeps none.
    """

    name = "conv_regressor"
    label = "convolutional regressor"
    reads_claims = True
    steps: ClassVar[int] = 600
    """Of training, of 64 items each: half a minute on one core; more of them fit the training songs only."""

    def __init__(self, rounding_db: float = 1.0, cache_dir: Path | None = None) -> None:
        super().__init__(rounding_db)
        self.cache_dir = cache_dir
        self._stems: list[str] = []
        self._net: GainNet | None = None
        self._decision: ThresholdDecision | None = None

    @classmethod
    def of(cls, facts: Facts) -> ConvRegressor:
        return cls(facts.rounding_db, facts.cache_dir)

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        # Imported here since torch takes seconds, which no `--help` should wait for.
        from mixlab.baselines.gain_net import Clips

        require_items(train_items, self.name)
        self._stems = sorted({stem for item in train_items for stem in item.problem.stems})
        candidates = sorted({stem for item in train_items for stem in item.problem.candidates})
        held_out = _held_out(train_items)
        self._net = self._trained(Clips.of(train_items, self._stems), np.flatnonzero(~held_out))
        # A miniature of one song has nothing else to tune on.
        tuning = [item for item, is_out in zip(train_items, held_out, strict=True) if is_out] or train_items
        self._decision = ThresholdDecision(candidates, self.rounding_db)
        self._decision.fit(self._estimates_db(tuning), [item.problem for item in tuning])

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._decision is None:
            raise RuntimeError("fit the baseline before it advises")
        problems = [item.problem for item in items]
        return self._decision.advise(self._estimates_db(items), problems) if items else []

    def _estimates_db(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """Estimated errors of the stems of the decision, shape (items, stems); NaN where one is no candidate."""
        from mixlab.baselines.gain_net import Clips, estimate

        assert self._net is not None
        assert self._decision is not None
        columns = [self._stems.index(stem) for stem in self._decision.stems]
        return estimate(self._net, Clips.of(items, self._stems))[:, columns]

    def figures(self) -> dict[str, float]:
        return {} if self._decision is None else self._decision.figures()

    def _trained(self, clips: Clips, rows: NDArray[np.int_]) -> GainNet:
        """The network for these items, from the cache where it is kept."""
        from safetensors.torch import load, save

        from mixlab.baselines.gain_net import GainNet, train

        if self.cache_dir is None:
            return train(clips, rows, self.steps)
        path = self.cache_dir / "baselines" / f"{self._key(clips, rows)}.safetensors"
        if path.is_file():
            net = GainNet(clips.features.shape[2], len(self._stems))
            net.load_state_dict(load(path.read_bytes()))
            return net.eval()
        net = train(clips, rows, self.steps)
        write_whole(path, save(net.state_dict()))
        return net

    def _key(self, clips: Clips, rows: NDArray[np.int_]) -> str:
        """A hash of all that decides the network."""
        found = hashlib.sha256(json.dumps([NETWORK_VERSION, self.steps, self._stems]).encode())
        for array in (rows, clips.features, clips.power, clips.stems, clips.errors_db, clips.anchor, clips.candidates):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:24]


def _held_out(items: Sequence[ListenedItem]) -> NDArray[np.bool_]:
    """Which items belong to the songs that are held out; none where there is one song alone."""
    songs = sorted({item.problem.work_id for item in items})
    chosen = np.random.default_rng(0).permutation(len(songs))[: math.ceil(HELD_OUT_SHARE * (len(songs) - 1))]
    names = {songs[index] for index in chosen}
    return np.array([item.problem.work_id in names for item in items])
