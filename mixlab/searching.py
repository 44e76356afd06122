"""Floor of the entry points: settings searched with Optuna, by validation alone."""

from __future__ import annotations

import csv
import io
import logging
import math
import multiprocessing
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from mixlab import jobs
from mixlab.config import TrainSchema, check
from mixlab.errors import ConfigError
from mixlab.storage import write_whole

log = logging.getLogger(__name__)
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Task:
    """What a worker needs: the configuration with its `search`, the folder of the search, and its own number."""

    cfg: DictConfig
    hydra_cfg: DictConfig
    folder: Path
    worker: int


def search(cfg: DictConfig) -> float:
    """Search until the study holds `search.trials` trials that came to their end, pruned ones included.

    Returns:
        The best trial's value of ``callbacks.monitor``, at its best validation.

    Raises:
        ConfigError: if Optuna is missing, the study was begun with other settings, or trials fail again and again.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    study = _study(cfg, folder, seed=cfg.search.seed)
    _claim(study, cfg)
    _take_up_dead_trials(study, folder)
    tasks = [Task(cfg, HydraConfig.instance().cfg, folder, worker) for worker in range(cfg.search.workers)]
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
        raise ConfigError(f"No trial of {folder} came to its end ({failed}); see the logs of its trials.")
    print(_write_results(study, cfg, folder))
    return float(study.best_value)


def work(task: Task) -> None:
    """Run trials until the study has enough of them; what one process of a search does."""
    from optuna.study import MaxTrialsCallback
    from optuna.trial import TrialState

    HydraConfig.instance().cfg = task.hydra_cfg
    study = _study(task.cfg, task.folder, seed=task.cfg.search.seed + task.worker)
    ends = (TrialState.COMPLETE, TrialState.PRUNED)
    if len(study.get_trials(deepcopy=False, states=ends)) >= task.cfg.search.trials:
        return

    def give_up(study: Any, trial: Any) -> None:
        last = [found.state for found in study.trials if found.state.is_finished()][-FAILURES_IN_A_ROW:]
        if last == [TrialState.FAIL] * FAILURES_IN_A_ROW:
            study.stop()

    study.optimize(
        lambda trial: _run_trial(trial, task),
        callbacks=[MaxTrialsCallback(task.cfg.search.trials, states=ends), give_up],
        catch=(Exception,),
    )


def _study(cfg: DictConfig, folder: Path, seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("A search needs Optuna, which is missing; pip install 'mixlab[search]'.") from error
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=cfg.search.study,
        storage=cfg.search.storage or f"sqlite:///{folder.absolute()}/study.db",
        sampler=instantiate(cfg.search.sampler, seed=seed),
        pruner=instantiate(cfg.search.pruner),
        direction="maximize" if cfg.callbacks.monitor.endswith("accuracy") else "minimize",
        load_if_exists=True,
    )


def _claim(study: Any, cfg: DictConfig) -> None:
    """Keep the settings of a study with it, and refuse to go on with others: its trials could not be compared."""
    settings = jobs.digest(_without_search(cfg)) + jobs.digest(OmegaConf.create({"space": cfg.search.space}))
    if study.user_attrs.setdefault("settings", settings) != settings:
        raise ConfigError(
            f"search.study is '{cfg.search.study}', which was begun with other settings or another space; choose "
            "another search.study."
        )
    study.set_user_attr("settings", settings)


def _take_up_dead_trials(study: Any, folder: Path) -> None:
    """Queue again the trials whose process died or was stopped, to go on from their checkpoints."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        trial_folder = _trial_folder(folder, trial)
        if jobs.state_of(trial_folder, jobs.read_status(trial_folder)) != "running":
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={"folder": trial_folder.name})


def _trial_folder(folder: Path, trial: Any) -> Path:
    return folder / trial.user_attrs.get("folder", f"trial_{trial.number:04d}")


def _without_search(cfg: DictConfig) -> DictConfig:
    plain = cfg.copy()
    with open_dict(plain):
        del plain["search"]
    return plain


def _run_trial(trial: Any, task: Task) -> float:
    """Train with the trial's settings, and return its best validation figure."""
    from optuna.exceptions import TrialPruned

    from mixlab.searching_fit import fit_for_validation

    cfg = _without_search(task.cfg)
    for key, place in task.cfg.search.space.items():
        OmegaConf.update(cfg, str(key), _suggest(trial, str(key), place))
    folder = _trial_folder(task.folder, trial)
    folder.mkdir(parents=True, exist_ok=True)
    config, pruned = jobs.digest(cfg), None
    line = shlex.join(["python", "-m", "mixlab.train", *_overrides(trial.params)])
    try:
        check(OmegaConf.to_container(cfg, resolve=True), TrainSchema)  # type: ignore[arg-type]
        checkpoint = jobs.checkpoint_to_go_on_from(folder, config)
        with jobs.recorded(folder, line, config) as outcome:
            try:
                outcome.objective = fit_for_validation(cfg, folder, checkpoint, trial)
            except TrialPruned as error:
                pruned = error
    except Exception as error:
        trial.set_user_attr("reason", jobs.reason(error))
        raise
    if pruned is not None:
        raise pruned
    return float(outcome.objective if outcome.objective is not None else math.nan)


def _suggest(trial: Any, key: str, place: DictConfig) -> Any:
    if "choices" in place:
        return trial.suggest_categorical(key, list(place.choices))
    if isinstance(place.low, int) and isinstance(place.high, int):
        return trial.suggest_int(key, place.low, place.high, log=place.get("log", False))
    return trial.suggest_float(key, place.low, place.high, log=place.get("log", False))


def _overrides(params: dict[str, Any]) -> list[str]:
    """The command line's overrides without those of the search itself, then a trial's settings."""
    given = [override for override in HydraConfig.get().overrides.task if not override.lstrip("+").startswith("search")]
    return [*given, *(f"{key}={value}" for key, value in params.items())]


def _write_results(study: Any, cfg: DictConfig, folder: Path) -> str:
    """Write trials.csv and search.md; returns the latter."""
    keys = [str(key) for key in cfg.search.space]
    rows: list[list[Any]] = [["trial", "state", cfg.callbacks.monitor, *keys, "reason"]]
    for trial in study.trials:
        reason = trial.user_attrs.get("reason", "")
        rows.append([trial.number, trial.state.name.lower(), trial.value, *map(trial.params.get, keys), reason])
    table = io.StringIO()
    csv.writer(table).writerows([["" if cell is None else cell for cell in row] for row in rows])
    write_whole(folder / "trials.csv", table.getvalue())
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell or 0) for cell in row[:-1]] for row in rows]
    best = study.best_trial
    page = [
        f"# Search '{cfg.search.study}'",
        "",
        f"The best of {len(study.trials)} trials is trial {best.number}: {cfg.callbacks.monitor} {best.value:.4g}, at "
        "its best validation. Test songs had no part in the choice. To train with its settings and evaluate:",
        "",
        "    " + shlex.join(["python", "-m", "mixlab.train", *_overrides(best.params)]),
        "",
        *("| " + " | ".join(row) + " |" for row in [cells[0], ["---"] * len(cells[0]), *cells[1:]]),
        "",
        *_importances(study),
    ]
    write_whole(folder / "search.md", "\n".join(page) + "\n")
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
