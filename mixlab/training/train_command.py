"""Fine-tune a model to advise on the balance of a mix, and evaluate it.

    mixlab train +experiment=bass_anchor                       the main job
    mixlab train +experiment=bass_anchor anchor=drums seed=1   any key can be overridden
    mixlab train +experiment=bass_anchor ckpt_path=last        go on with the newest run
    mixlab train -m +experiment=bass_anchor adapter.r=4,8,16   a sweep
    mixlab train +experiment=bass_anchor --cfg job             print the configuration

Writes a run folder under <paths.outputs>/<name>/: resolved config, metrics.json, predictions.jsonl, report.html,
checkpoints and the adapter. Exit code 1: jobs of a sweep failed.
"""

from __future__ import annotations

from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings


def check(settings: TrainSettings) -> None:
    """Refuse, before there is a run folder, what is not registered, does not take its keys, or no device here can do.

    Raises:
        ConfigError: naming the key.
    """
    from mixlab.evaluation.probes.base import check_probes
    from mixlab.runs.trainer import check_devices_there
    from mixlab.training.build import check_choices

    check_choices(settings)
    if settings.probes is not None:
        check_probes(settings.probes)
    check_devices_there(settings.trainer)


def main(settings: TrainSettings, job: Job) -> float:
    """Train and evaluate; returns the joint accuracy on test songs."""
    from mixlab.training.flow import train

    return train(settings, job)
