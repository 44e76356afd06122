"""Room baselines: the loudness rule that hears the genre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import ListenedItem, require_items
from mixlab.baselines.genre_ear import GenreEar
from mixlab.baselines.loudness import LoudnessRuleGenre


class LoudnessRuleHeard(LoudnessRuleGenre):
    """The loudness rule by genre, whose genre is heard: the most probable one by timbre (see `genre_ear.GenreEar`).

    The means of genres are those of labelled training songs; everything else goes by the genre that is heard.
    """

    name = "loudness_rule_heard"
    label = "rule, genre heard"
    told = ""

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        self._ear = GenreEar(train_items)
        super().fit(train_items)

    def _estimates_db(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        heard = np.argmax(self._ear.probabilities(items), axis=1)
        return super()._estimates_db(
            [
                replace(item, problem=replace(item.problem, genre=self._ear.genres[index]))
                for item, index in zip(items, heard, strict=True)
            ]
        )
