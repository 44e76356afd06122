"""Room synthesis: what a meter says of the stems of a problem beside the anchor: reasons for the right advice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixlab.language.reason import Reason
from mixlab.multitrack.statistics import UsualBalance
from mixlab.synthesis.problem import Problem


def measured_reasons(problem: Problem, lufs: Mapping[str, float], usual: UsualBalance) -> dict[str, Reason]:
    """For each stem out of balance its loudness above the anchor in the clip, and in all training songs on average.

    Args:
        lufs: integrated loudness of each unmodified stem of the problem, as it is heard.
        usual: as it is heard, as clips are.
    """
    heard_lufs = {stem: level + problem.heard_gain_db(stem) for stem, level in lufs.items()}
    found = {}
    for gain in problem.needed:
        spread = usual.of(None, problem.anchor, gain.stem)
        heard_db = heard_lufs[gain.stem] - heard_lufs[problem.anchor]
        if spread is not None and np.isfinite(heard_db):
            found[gain.stem] = Reason(heard_db, spread.mean_lu)
    return found
