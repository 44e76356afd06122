"""Room sweeps: settings searched with Optuna, by validation alone."""

from __future__ import annotations

import math
import multiprocessing
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError
from mixlab.escaping import csv_text, markdown, say
from mixlab.runs import status
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse
from mixlab.storage import write_whole
from mixlab.sweeps.settings import Place, SearchSettings

FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Task:
    """What a worker needs: the settings with their `search`, the job of the whole search, and its own number."""

    settings: SearchSettings
    job: Job
    worker: int

    @property
    def folder(self) -> Path:
        """Of the search."""
        return self.job.folder


def search(settings: SearchSettings, job: Job) -> float:
    """Search until the study holds `search.trials` trials that came to their end, pruned ones included.

    Returns:
        The best trial's value of ``callbacks.monitor``, at its best validation.

    Raises:
        ConfigError: if Optuna is missing, the study was begun with other settings, or trials fail again and again.
    """
    tasks = [Task(settings, job, worker) for worker in range(settings.search.workers)]
    study = _study(tasks[0])
    _check_attributes(study, settings)
    _claim(study, settings)
    _take_up_dead_trials(study, job.folder)
    if len(tasks) == 1:
        work(tasks[0])
    else:
        workers = [multiprocessing.get_context("spawn").Process(target=work, args=(task,)) for task in tasks]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if not study.best_trials:
        failed = next((trial.user_attrs.get("reason") for trial in reversed(study.trials)), None)
        raise ConfigError(f"No trial of {job.folder} came to its end ({failed}); see the logs of its trials.")
    say(_write_results(study, settings, job))
    return float(study.best_value)


def work(task: Task) -> None:
    """Run trials until the study has enough of them; what one process of a search does."""
    from optuna.study import MaxTrialsCallback
    from optuna.trial import TrialState

    study, trials = _study(task), task.settings.search.trials
    ends = (TrialState.COMPLETE, TrialState.PRUNED)
    if len(study.get_trials(deepcopy=False, states=ends)) >= trials:
        return

    def give_up(study: Any, trial: Any) -> None:
        last = [found.state for found in study.trials if found.state.is_finished()][-FAILURES_IN_A_ROW:]
        if last == [TrialState.FAIL] * FAILURES_IN_A_ROW:
            study.stop()

    study.optimize(
        lambda trial: _run_trial(trial, task),
        callbacks=[MaxTrialsCallback(trials, states=ends), give_up],
        catch=(Exception,),
    )


def _study(task: Task) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("A search needs Optuna, which is missing; pip install 'mixlab[search]'.") from error
    asked, folder = task.settings.search, task.folder
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = asked.sampler.model_copy(update={"seed": asked.seed + task.worker})
    pruner = asked.pruner.build({}, "search.pruner")
    sampler = sampler.build({}, "search.sampler")
    try:
        return optuna.create_study(
            study_name=asked.study,
            storage=asked.storage or f"sqlite:///{folder.absolute()}/study.db",
            sampler=sampler,
            pruner=pruner,
            direction="maximize" if task.settings.callbacks.monitor.mode == "max" else "minimize",
            load_if_exists=True,
        )
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("sqlalchemy", "optuna") and not isinstance(error, ImportError):
            raise
        # The address may hold a password, and so may what is said of it.
        raise ConfigError(
            f"search.storage cannot be opened ({type(error).__name__}); give null, or a URL of SQLAlchemy's such as "
            "postgresql+psycopg://user@host/name, whose server answers and whose driver is installed."
        ) from error


def _check_attributes(study: Any, settings: SearchSettings) -> None:
    """Refuse a study with a sampler's pickle in it (CMA-ES keeps one): it may be a stranger's, and would be run."""
    if any("optimizer" in key for trial in study.get_trials(deepcopy=False) for key in trial.system_attrs):
        raise ConfigError(
            f"search.study is '{settings.search.study}', which holds the pickled state of a sampler, and none is ever "
            "read; choose another search.study."
        )


def _claim(study: Any, settings: SearchSettings) -> None:
    """Keep the settings of a study with it, and refuse to go on with others: its trials could not be compared."""
    space = {key: place.plain() for key, place in settings.search.space.items()}
    claimed = status.digest(_training(settings).plain()) + status.digest({"space": space})
    if study.user_attrs.setdefault("settings", claimed) != claimed:
        raise ConfigError(
            f"search.study is '{settings.search.study}', which was begun with other settings or another space; choose "
            "another search.study."
        )
    study.set_user_attr("settings", claimed)


def _training(settings: SearchSettings) -> TrainSettings:
    """What a trial trains with, but for what is searched."""
    return TrainSettings.model_validate({name: getattr(settings, name) for name in TrainSettings.model_fields})


def _take_up_dead_trials(study: Any, folder: Path) -> None:
    """Queue again the trials whose process died or was stopped, to go on from their checkpoints."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        trial_folder = _trial_folder(folder, trial)
        if status.state_of(trial_folder, status.read_status(trial_folder)) != "running":
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={"folder": trial_folder.name})


def _trial_folder(folder: Path, trial: Any) -> Path:
    """The folder of a trial, below that of its search whatever the study says."""
    name = str(trial.user_attrs.get("folder", f"trial_{trial.number:04d}"))
    if not re.fullmatch(r"trial_\d+", name):
        raise ConfigError(f"The study of {folder} has a trial in the folder '{name}'; choose another search.study.")
    return folder / name


def _run_trial(trial: Any, task: Task) -> float:
    """Train with the trial's settings, and return its best validation figure."""
    from optuna.exceptions import TrialPruned

    from mixlab.sweeps.trial import fit_for_validation

    values: dict[str, Any] = _training(task.settings).plain()
    for key, place in task.settings.search.space.items():
        _set(values, key, _suggest(trial, key, place))
    folder = _trial_folder(task.folder, trial)
    folder.mkdir(parents=True, exist_ok=True)
    job = replace(task.job, folder=folder, digest=status.digest(values))
    line, pruned = shlex.join(["mixlab", "train", *_overrides(task.job, trial.params)]), None
    try:
        settings = parse(values, TrainSettings)
        checkpoint = status.checkpoint_to_go_on_from(folder, job.digest)
        with status.recorded(folder, line, job.digest) as outcome:
            try:
                outcome.objective = fit_for_validation(settings, job, checkpoint, trial)
            except TrialPruned as error:
                pruned = error
    except Exception as error:
        trial.set_user_attr("reason", status.reason(error))
        raise
    if pruned is not None:
        raise pruned
    return float(outcome.objective if outcome.objective is not None else math.nan)


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at the place that a dotted key names.

    Raises:
        ConfigError: if the training has no such key.
    """
    *groups, last = key.split(".")
    node = values
    for group in groups:
        node = node.get(group, {})
    if last not in node:
        raise ConfigError(f"search.space names '{key}', which is no key of a training; --cfg job prints all.")
    node[last] = value


def _suggest(trial: Any, key: str, place: Place) -> Any:
    if place.choices is not None:
        return trial.suggest_categorical(key, list(place.choices))
    assert place.low is not None
    assert place.high is not None
    if isinstance(place.low, int) and isinstance(place.high, int):
        return trial.suggest_int(key, place.low, place.high, log=place.log)
    return trial.suggest_float(key, place.low, place.high, log=place.log)


def _overrides(job: Job, params: dict[str, Any]) -> list[str]:
    """The command line's overrides without those of the search itself, then a trial's settings."""
    given = [override for override in job.overrides if not override.lstrip("+").startswith("search")]
    return [*given, *(f"{key}={value}" for key, value in params.items())]


def _write_results(study: Any, settings: SearchSettings, job: Job) -> str:
    """Write trials.csv and search.md; returns the latter."""
    keys, monitor = list(settings.search.space), str(settings.callbacks.monitor)
    rows: list[list[Any]] = [["trial", "state", monitor, *keys, "reason"]]
    for trial in study.trials:
        reason = trial.user_attrs.get("reason", "")
        rows.append([trial.number, trial.state.name.lower(), trial.value, *map(trial.params.get, keys), reason])
    write_whole(job.folder / "trials.csv", csv_text(rows))
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell or 0) for cell in row[:-1]] for row in rows]
    best = study.best_trial
    page = [
        f"# Search '{settings.search.study}'",
        "",
        f"The best of {len(study.trials)} trials is trial {best.number}: {monitor} {best.value:.4g}, at "
        "its best validation. Test songs had no part in the choice. To train with its settings and evaluate:",
        "",
        "    " + shlex.join(["mixlab", "train", *_overrides(job, best.params)]),
        "",
        *("| " + " | ".join(map(markdown, row)) + " |" for row in [cells[0], ["---"] * len(cells[0]), *cells[1:]]),
        "",
        *_importances(study),
    ]
    write_whole(job.folder / "search.md", "\n".join(page) + "\n")
    return "\n".join(page)


def _importances(study: Any) -> list[str]:
    """What each setting matters, as Optuna's forest sees it; nothing where too few trials were completed."""
    import optuna

    try:
        found = optuna.importance.get_param_importances(study)
    except (RuntimeError, ValueError, ZeroDivisionError):
        return []
    return [
        "Share of the differences that each setting accounts for: "
        + ", ".join(f"{k} {v:.2f}" for k, v in found.items())
        + "."
    ]
