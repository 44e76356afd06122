"""Room baselines: hearing the genre: logistic regression on level-free log-mel statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import ListenedItem
from mixlab.baselines.slots import Slots

PENALTIES = (0.01, 0.1, 1.0)
"""Trial values of the inverse penalty, of which the likelihood of held-out songs' genres chooses."""

FOLDS = 3
"""Parts of the training songs, each of which is heard by a regression that was fitted on the others."""

LEAST_PROBABILITY = 1e-3
"""That of a genre, so that a regression that is surer than it should be never rules one out."""


class GenreEar:
    """Which genre a clip is of, from timbre alone: no gain on a clip changes what it says.

    Genre labels are used in fitting only. A song that it was fitted on is heard by a regression that was fitted without
    it, so that what is tuned on training songs expects as many mistakes as others will have.

    Args:
        items: of training songs.
        hears_anchor: whether it listens to the clips that hold the anchor.
    """

    def __init__(self, items: Sequence[ListenedItem], hears_anchor: bool = True) -> None:
        labels = np.array([item.problem.genre or "" for item in items], dtype=object)
        songs = sorted({item.problem.work_id for item in items})
        self.genres: tuple[str, ...] = tuple(sorted(set(labels)))
        self._slots = Slots(items, hears_anchor)
        self._prior = np.array([np.mean(labels == genre) for genre in self.genres])
        order = np.random.default_rng(0).permutation(len(songs))
        self._fold_of = {songs[song]: rank % FOLDS for rank, song in enumerate(order)} if len(songs) > 1 else {}
        self._regressions: dict[int | None, Any] = {}
        if not self._slots.names:
            return
        table, folds = self._table(items), np.array([self._fold_of.get(item.problem.work_id, -1) for item in items])
        right = np.array([self.genres.index(label) for label in labels])

        def fitted(penalty: float) -> dict[int | None, Any]:
            return {fold: _fit(table[folds != fold], labels[folds != fold], penalty) for fold in set(folds.tolist())}

        def likelihood(regressions: dict[int | None, Any]) -> float:
            heard = np.zeros((len(items), len(self.genres)))
            for fold, regression in regressions.items():
                heard[folds == fold] = self._heard(regression, table[folds == fold])
            return float(np.log(heard[np.arange(len(items)), right]).mean())

        penalty = PENALTIES[0]
        if self._fold_of:
            trials = {penalty: fitted(penalty) for penalty in PENALTIES}
            penalty = max(trials, key=lambda trial: likelihood(trials[trial]))
            self._regressions |= trials[penalty]
        self._regressions[None] = _fit(table, labels, penalty)

    def probabilities(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """The probability of each of `genres`, shape (items, genres)."""
        found = np.tile(self._prior, (len(items), 1))
        if self._regressions and items:
            table = self._table(items)
            folds = np.array([self._fold_of.get(item.problem.work_id, -1) for item in items])
            for fold in set(folds.tolist()):
                regression = self._regressions[fold if fold >= 0 else None]
                found[folds == fold] = self._heard(regression, table[folds == fold])
        return found

    def _table(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        return self._slots.table(items).reshape(len(items), -1)

    def _heard(self, regression: Any, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities by one regression; how frequent genres are where there was nothing to tell apart."""
        if regression is None:
            return np.tile(self._prior, (len(table), 1))
        found = np.zeros((len(table), len(self.genres)))
        found[:, [self.genres.index(genre) for genre in regression.classes_]] = regression.predict_proba(table)
        found = np.maximum(found, LEAST_PROBABILITY)
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def _fit(table: NDArray[np.float64], labels: NDArray[Any], penalty: float) -> Any:
    """A logistic regression of genres on standardised statistics; None where there is one genre alone."""
    # scikit-learn takes about a second to import, which no `--help` should wait for.
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(labels)) < 2:
        return None
    imputer = SimpleImputer(keep_empty_features=True)
    regression = LogisticRegression(C=penalty, max_iter=300, tol=1e-3)
    return make_pipeline(imputer, StandardScaler(), regression).fit(table, labels.astype(str))
