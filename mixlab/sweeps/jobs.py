"""Room sweeps: one job run in its folder, alone or in a sweep, with every launcher."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
from collections.abc import Callable

from mixlab.errors import MixlabError
from mixlab.runs import status
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings

log = logging.getLogger(__name__)


def run_job(task: Callable[[TrainSettings, Job], float], settings: TrainSettings, job: Job) -> float:
    """Run a command in its run folder, noting how it goes; in a sweep skip what is done, and let no failure pass on.

    A folder whose run of the same configuration did not come to its end is gone on with from its last checkpoint.

    Returns:
        What `task` returns; of a job of a sweep that failed, NaN.
    """
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # Processes that a worker of joblib starts would look for joblib's own way of starting, and die.
        multiprocessing.set_start_method("spawn", force=True)
    before = status.read_status(job.folder)
    if job.sweep is not None and before is not None and before.config == job.digest:
        state = status.state_of(job.folder, before)
        if state == "done":
            log.info("Done before: %s", job.folder)
            return math.nan if before.objective is None else before.objective
        if state == "running" and not status.is_further_process() and before.process != os.getpid():
            log.warning("Left alone, since process %d of %s is at it: %s", before.process, before.host, job.folder)
            return math.nan
    checkpoint = status.checkpoint_to_go_on_from(job.folder, job.digest)
    if settings.ckpt_path is None and checkpoint is not None:
        log.info("Going on from %s", checkpoint)
        settings = settings.but(ckpt_path=str(checkpoint))
    line = status.command_line(job.command, job.overrides, job.folder)
    try:
        with status.recorded(job.folder, line, job.digest) as outcome:
            outcome.objective = task(settings, job)
        return outcome.objective
    except Exception as error:
        # Of several processes only the first one's status is kept; the others must be seen to fail.
        if job.sweep is None or status.is_further_process():
            raise
        log.error("Failed: %s (%s)", status.reason(error), job.folder, exc_info=not isinstance(error, MixlabError))
        return math.nan
