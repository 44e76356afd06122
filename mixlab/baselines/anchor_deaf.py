"""Room baselines: Bayes' decision by who never hears the anchor: what of a result needs no anchor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.bayes_heard import BayesHeard


class AnchorDeaf(BayesHeard):
    """Bayes who hears the genre and how loud the other stems are beside each other, and nothing of the anchor.

    A gain on the anchor alone changes no answer. What it reaches is no proof that an anchor is used.
    """

    name = "anchor_deaf"
    label = "Bayes, anchor-deaf"
    hears_anchor = False

    def view(self, stems: int) -> NDArray[np.float64]:
        # Beside the first of them, so that the anchor's loudness cancels; one stem alone says nothing.
        return np.eye(stems)[1:] - np.eye(stems)[:1]
