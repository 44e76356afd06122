"""Search settings of a training by what validation says of them; test songs are left alone.

    mixlab search +experiment=bass_anchor search.trials=20
    mixlab search +experiment=bass_anchor search.workers=4 search.storage=postgresql://...

Writes search_<study>/ under <paths.outputs>/<name>/: a folder a trial, trials.csv, search.md with the best trial's
command line, and Optuna's storage. Started again, it goes on; started beside itself, both work on one study.
"""

from __future__ import annotations

from mixlab.runs.job import Job
from mixlab.sweeps.settings import SearchSettings
from mixlab.training.train_command import check as check_training


def check(settings: SearchSettings) -> None:
    """Refuse what no trial could train with, as `mixlab train` does.

    Raises:
        ConfigError: naming the key.
    """
    check_training(settings)


def main(settings: SearchSettings, job: Job) -> float:
    """Search; returns the best trial's validation figure."""
    from mixlab.sweeps.search import search

    return search(settings, job)
