"""Room synthesis: what a meter says of the stems of a problem beside the anchor: reasons for the right advice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.language.reason import Reason
from mixlab.multitrack.statistics import UsualBalance
from mixlab.synthesis.problem import Problem


def measured_reasons(
    problem: Problem, stems: Mapping[str, NDArray[np.float32]], usual: UsualBalance
) -> dict[str, Reason]:
    """For each stem out of balance its loudness above the anchor in the clip, and in all training songs on average.

    Args:
        stems: unmodified samples, each of shape (samples,), of the problem's duration.
        usual: as it is heard, as clips are.
    """

    def lufs(stem: str) -> float:
        rate = round(stems[stem].size / problem.duration_s)
        return float(integrated_lufs(k_weighted_power(stems[stem][None], rate))) + problem.heard_gain_db(stem)

    found = {}
    for gain in problem.needed:
        spread = usual.of(None, problem.anchor, gain.stem)
        heard_db = lufs(gain.stem) - lufs(problem.anchor)
        if spread is not None and np.isfinite(heard_db):
            found[gain.stem] = Reason(heard_db, spread.mean_lu)
    return found
