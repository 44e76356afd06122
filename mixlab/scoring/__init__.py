"""advice against problem; pure metrics, used by validation and by evaluation alike."""

from mixlab.scoring.bootstrap import SongBootstrap
from mixlab.scoring.closed_loop import ClosedLoop, closed_loop
from mixlab.scoring.metrics import METRICS, Heads, Metric, outcomes
from mixlab.scoring.paired import Difference
from mixlab.scoring.prediction import Prediction, read_predictions, write_predictions
from mixlab.scoring.scores import Group, Scores, score

__all__ = [
    "METRICS",
    "ClosedLoop",
    "Difference",
    "Group",
    "Heads",
    "Metric",
    "Prediction",
    "Scores",
    "SongBootstrap",
    "closed_loop",
    "outcomes",
    "read_predictions",
    "score",
    "write_predictions",
]
