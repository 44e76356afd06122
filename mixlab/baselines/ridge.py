"""Room baselines: ridge regression from log-mel statistics to the error of each stem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, ListenedItem, require_items
from mixlab.baselines.decision import ThresholdDecision
from mixlab.language.advice import Advice

ALPHAS = np.logspace(-1, 5, 19)
"""Trial strengths of the penalty, chosen by leave-one-out error for each stem."""

FEATURES_PER_BEL = 0.25
"""The features are a quarter of the base-10 logarithm of mel power, plus a constant: 10 dB move them by this."""


class Ridge(Baseline):
    """Linear regression with a quadratic penalty, from statistics of every clip to the vector of errors.

    The statistics are mean and deviation over frames of each mel band, and the power of the clip as a whole, in the
    units of the features; standardised. Errors are relative to the anchor, so each anchor has a regression of its own.
    Threshold and slope are tuned on predictions for songs held out in turn, so that they fit what the regressions do on
    songs they have not seen.
    """

    name = "ridge"
    label = "ridge on log-mel"
    reads_claims = True

    def __init__(self, rounding_db: float = 1.0, folds: int = 5) -> None:
        super().__init__(rounding_db)
        self.folds = folds
        self._slots: list[str] = []
        self._by_position = False
        self._regressions: dict[str, Any] = {}
        self._decision: ThresholdDecision | None = None

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        self._by_position = any(len(stems) > 1 for item in train_items for stems in item.clip_stems)
        self._slots = sorted({slot for item in train_items for slot in self._item_slots(item)})
        stems = sorted({stem for item in train_items for stem in item.problem.candidates})
        problems = [item.problem for item in train_items]
        features = self._features(train_items)
        # Errors that count as none are learned as what they are, too.
        targets = np.array([[p.relative_error_db(s) if s in p.candidates else 0.0 for s in stems] for p in problems])
        self._decision = ThresholdDecision(stems, self.rounding_db)
        songs = np.array([problem.work_id for problem in problems])
        held_out = np.empty_like(targets)
        self._regressions = {}
        for anchor, rows in _rows_by_anchor(train_items).items():
            self._regressions[anchor] = _regression().fit(features[rows], targets[rows])
            held_out[rows] = self._held_out(anchor, features[rows], targets[rows], songs[rows])
        self._decision.fit(self._candidates_only(held_out, train_items), problems)

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._decision is None:
            raise RuntimeError("fit the baseline before it advises")
        if not items:
            return []
        # What is said beside an anchor that training never had is that nothing is known to be wrong.
        features, estimates = self._features(items), np.zeros((len(items), len(self._decision.stems)))
        for anchor, rows in _rows_by_anchor(items).items():
            if anchor in self._regressions:
                estimates[rows] = self._regressions[anchor].predict(features[rows]).reshape(len(rows), -1)
        return self._decision.advise(self._candidates_only(estimates, items), [item.problem for item in items])

    def _held_out(
        self, anchor: str, features: NDArray[np.float64], targets: NDArray[np.float64], songs: NDArray[np.str_]
    ) -> NDArray[np.float64]:
        """Predictions for each song by a regression on the others, shape (items, stems)."""
        # scikit-learn takes about a second to import, which no `--help` should wait for.
        from sklearn.model_selection import GroupKFold

        folds = min(self.folds, len(set(songs.tolist())))
        if folds < 2:
            return np.asarray(self._regressions[anchor].predict(features)).reshape(targets.shape)
        held_out = np.empty_like(targets)
        for train, rest in GroupKFold(folds).split(features, targets, songs):
            predicted = _regression().fit(features[train], targets[train]).predict(features[rest])
            held_out[rest] = predicted.reshape(len(rest), -1)
        return held_out

    def figures(self) -> dict[str, float]:
        return {} if self._decision is None else self._decision.figures()

    def _candidates_only(self, estimates_db: NDArray[np.float64], items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        assert self._decision is not None
        candidate = np.array([[stem in item.problem.candidates for stem in self._decision.stems] for item in items])
        return np.where(candidate, estimates_db, np.nan)

    def _item_slots(self, item: ListenedItem) -> list[str]:
        """The place of each clip among the features: its stem, or its position where clips sum several stems."""
        if self._by_position:
            return [str(position) for position in range(len(item.clip_stems))]
        return [stems[0] for stems in item.clip_stems]

    def _features(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """Shape (items, slots * (2 * mels + 2)); a clip that an item lacks is all NaN but for its flag."""
        width = 2 * items[0].log_mel.shape[1] + 1
        features = np.full((len(items), len(self._slots), width), np.nan)
        present = np.zeros((len(items), len(self._slots)))
        for row, item in enumerate(items):
            for slot, clip in zip(self._item_slots(item), item.log_mel, strict=True):
                if slot in self._slots:
                    index = self._slots.index(slot)
                    features[row, index], present[row, index] = _statistics(clip), 1.0
        return np.concatenate([features.reshape(len(items), -1), present], axis=1)


def _rows_by_anchor(items: Sequence[ListenedItem]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        rows.setdefault(item.problem.anchor, []).append(index)
    return rows


def _statistics(clip: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean and deviation of each mel over frames, and the clip's power: (mels, frames) -> (2 * mels + 1,)."""
    clip = clip.astype(np.float64)
    power = np.mean(10.0 ** (clip / FEATURES_PER_BEL))
    return np.concatenate([clip.mean(axis=1), clip.std(axis=1), [FEATURES_PER_BEL * np.log10(power)]])


def _regression() -> Any:
    """Absent clips become the mean clip, then features are standardised and regressed."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV(ALPHAS, alpha_per_target=True)
    )
