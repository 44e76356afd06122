"""What the best listener of one number can reach under the default protocol of errors, as an integral."""

from __future__ import annotations

import numpy as np

LOUD, QUIET, BALANCED = ((3.0, 6.0), (6.0, 12.0)), ((-6.0, -3.0), (-12.0, -6.0)), ((0.0, 0.0),)
GRID_DB = np.arange(-60.0, 60.0, 0.02)


def best_joint(classes, means_db=(0.0,), sd_db=2.0) -> float:
    """What nobody passes who hears one number x = mean + error + noise: the integral over x of max_c p(c) p(x | c).

    Args:
        classes: of each its probability and the equally likely ranges in dB that the error shifts x by.
        means_db: equally likely means that the listener cannot tell apart.
    """
    joint = []
    for probability, ranges_db in classes:
        centres = np.add.outer([np.linspace(*ends, 201) for ends in ranges_db], means_db).ravel()
        density = np.exp(-0.5 * ((GRID_DB[:, None] - centres) / sd_db) ** 2).mean(axis=1) / (sd_db * np.sqrt(2 * np.pi))
        joint.append(probability * density)
    return float(np.max(joint, axis=0).sum() * (GRID_DB[1] - GRID_DB[0]))


ONE_STEM = ((0.4, LOUD), (0.2, BALANCED), (0.4, QUIET))
