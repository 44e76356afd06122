"""Room baselines: Bayes' decision on the clip's own loudness, with the genre told, heard or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mixlab.baselines.base import Facts, ListenedItem, NotAvailable, require_items
from mixlab.baselines.bayes import Bayes, gaussian_log_likelihood
from mixlab.baselines.genre_ear import GenreEar
from mixlab.baselines.levels import Levels, UsualLevels, usual_levels
from mixlab.synthesis.protocol import ErrorProtocol


class BayesUnknown(Bayes):
    """Bayes' decision on the loudness of the clip relative to the anchor, as a mixture over genres.

    Clips of balanced mixes are normal around the mean of their genre, with one covariance for all genres; both come
    from training songs, whose injected errors are known. A stem that is silent in the clip, or was never heard in
    training, tells nothing. Who does not know the genre weighs all of them by how many training songs they have.
    """

    name = "bayes_unknown"
    label = "Bayes, genre unknown"

    @classmethod
    def of(cls, facts: Facts) -> Self:
        if facts.error is None:
            raise NotAvailable(f"There is no {cls.name}: it needs to know how errors are drawn.")
        return cls(facts.error, facts.rounding_db, facts.right_claim_share)

    def __init__(self, error: ErrorProtocol, rounding_db: float = 1.0, right_claim_share: float = 0.5) -> None:
        super().__init__(error, rounding_db, right_claim_share)
        self._levels: list[Levels] = []
        self._usual: dict[str, UsualLevels] = {}

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        self._usual = {}
        self._levels = [
            Levels(
                item.problem.song_id,
                item.problem.genre or "",
                {s: lufs - item.problem.error_db(s) for s, lufs in item.segment_lufs.items() if np.isfinite(lufs)},
            )
            for item in train_items
        ]

    def genre_weights(self, items: Sequence[ListenedItem], usual: UsualLevels) -> NDArray[np.float64]:
        """How probable each genre is before any level is heard, shape (items, genres)."""
        return np.tile(usual.shares, (len(items), 1))

    def view(self, stems: int) -> NDArray[np.float64]:
        """What is heard of the stems' loudness relative to the anchor, as a matrix of shape (heard, stems)."""
        return np.eye(stems)

    def log_likelihood(self, items: Sequence[ListenedItem], errors_db: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._levels:
            raise RuntimeError("fit the baseline before it advises")
        anchor, candidates = items[0].problem.anchor, items[0].problem.candidates
        if anchor not in self._usual:
            self._usual[anchor] = usual_levels(self._levels, anchor)
        usual = self._usual[anchor]
        relative_db = np.array(
            [
                [item.segment_lufs.get(s, np.nan) - item.segment_lufs.get(anchor, np.nan) for s in candidates]
                for item in items
            ]
        )
        heard = np.isfinite(relative_db) & np.array([stem in usual.stems for stem in candidates])
        weights = np.log(self.genre_weights(items, usual))
        found = np.zeros((len(items), len(errors_db)))
        for pattern in np.unique(heard, axis=0):
            rows, columns = (heard == pattern).all(axis=1), np.flatnonzero(pattern)
            stems = [candidates[column] for column in columns]
            view = self.view(len(stems))
            precision = np.asarray(np.linalg.inv(view @ usual.covariance(stems) @ view.T), dtype=np.float64)
            deviations_db = relative_db[rows][:, None, columns] - usual.means(stems)
            by_genre = [
                weights[rows, genre, None]
                + gaussian_log_likelihood(deviations_db[:, genre] @ view.T, errors_db[:, columns] @ view.T, precision)
                for genre in range(len(usual.genres))
            ]
            found[rows] = logsumexp(by_genre, axis=0)
        return found


class BayesHeard(BayesUnknown):
    """The same with each genre as probable as the clip's timbre makes it (see `genre_ear.GenreEar`)."""

    name = "bayes_heard"
    label = "Bayes, genre heard"
    hears_anchor: ClassVar[bool] = True
    """Whether it listens to the anchor's clip."""

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        super().fit(train_items)
        self._ear = GenreEar(train_items, self.hears_anchor)

    def genre_weights(self, items: Sequence[ListenedItem], usual: UsualLevels) -> NDArray[np.float64]:
        return self._ear.probabilities(items)


class BayesKnown(BayesUnknown):
    """The same with the genre told; one that training never had is weighed as if it were unknown."""

    name = "bayes_known"
    label = "Bayes, genre told"
    told = "the genre"

    def genre_weights(self, items: Sequence[ListenedItem], usual: UsualLevels) -> NDArray[np.float64]:
        told = np.array([[(item.problem.genre or "") == genre for genre in usual.genres] for item in items])
        return np.where(told.any(axis=1, keepdims=True), told, usual.shares)
