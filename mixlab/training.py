"""Floor of the entry points: one training run from configuration to report."""

from __future__ import annotations

import logging
import pickle
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import Callback, EarlyStopping
from omegaconf import DictConfig, OmegaConf, open_dict

from mixlab import build
from mixlab.checkpointing import BestCheckpoint, NoteProgress, SaveAdapter, SaveLast, ValidateLast, save_whole
from mixlab.data.encoder import ChatEncoder
from mixlab.data.module import MixDataModule
from mixlab.data.own_items import as_trained
from mixlab.errors import CheckpointError
from mixlab.evaluating import evaluate_splits, print_results, require_test_items, run_notes
from mixlab.evaluation.results import write_results
from mixlab.evaluation.run import Answerer
from mixlab.hardware import check_devices, check_precision, check_room, is_first_process, is_sharded
from mixlab.loggers import LossBar, finish_control, make_loggers
from mixlab.models.adapters import trainable_state
from mixlab.models.checkpoints import ADAPTER_FOLDER, Description, save_trained
from mixlab.models.footprint import footprint
from mixlab.models.module import AdviceModule
from mixlab.tracking.results import log_results
from mixlab.tracking.runs import closing_runs

log = logging.getLogger(__name__)
CONTROLS: dict[str, tuple[str, dict[str, Any]]] = {
    "untrained_base": ("lora_untrained_base", {"model.arguments.base": None}),
    "from_scratch": ("from_scratch", {"model.arguments.base": None, "adapter": "full", "optim.lr": 1.5e-3}),
}
"""Control runs: the row's name in the results, and what is changed in the configuration."""


@closing_runs()
def train(cfg: DictConfig) -> float:
    """Train, evaluate the best checkpoint on held-out songs, and write the run folder.

    Returns:
        The joint accuracy on test songs.
    """
    started = time.monotonic()
    # Lightning announces hardware and products on stderr, twice under Hydra's logging; its warnings stay.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    # Lightning knows of loaders with a state only; here the sampler starts at the next example (MixDataModule).
    warnings.filterwarnings("ignore", ".*dataloader is not resumable.*")
    # Said wherever SLURM is installed, also to those who do not use it.
    warnings.filterwarnings("ignore", ".*`srun` command is available.*")
    # Batches are moved by the module alone, on purpose: it computes their features there.
    warnings.filterwarnings("ignore", ".*You have overridden `(transfer_batch_to_device|on_after_batch_transfer)`.*")
    # Of PyTorch's own making, inside Lightning.
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    folder = Path(HydraConfig.get().runtime.output_dir)
    torch.set_num_threads(cfg.trainer.threads)
    if cfg.controls and cfg.model.builder != "tiny":
        log.warning("Control runs exist for the tiny model only, so %s are left out.", ", ".join(cfg.controls))
        cfg.controls = []
    resume_from = find_checkpoint(cfg.ckpt_path, Path(cfg.paths.outputs) / cfg.name, folder)
    if is_first_process():
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    lightning.seed_everything(cfg.seed, verbose=False)
    songs = build.source(cfg)
    check_machine(cfg)  # what does not fit is said here, before weights are loaded and songs prepared
    module = build.advice_module(cfg, build.backbone(cfg))
    if resume_from is not None:
        module.on_load_checkpoint(read_checkpoint(resume_from))
    data = build.data_module(cfg, songs, ChatEncoder(module.backbone.chat), cfg.trainer.features == "worker")
    data.prepare_data()
    data.setup()
    require_test_items(data)
    if trainable_state(module.model):
        answerers = _train_all(cfg, module, data, folder, resume_from)
    else:
        answerers = [_keep_as_it_is(cfg, module, data, folder)]
    if not is_first_process():
        return float("nan")  # the first process evaluates and reports
    own = as_trained(data) if trainable_state(module.model) else None
    results = evaluate_splits(cfg, data, answerers, as_trained=own)
    heard = build.player(songs)
    sentence = write_results(
        folder,
        results,
        title=cfg.name,
        dataset="folder" if data.true_balance() is None else "demo",
        notes=[*run_notes(data, results), f"The whole run took {(time.monotonic() - started) / 60:.1f} minutes."],
        config_yaml=OmegaConf.to_yaml(cfg, resolve=True),
        protocol=cfg.evaluation.get("protocol"),
        heard=heard,
        audio_examples=cfg.evaluation.audio_examples,
    )
    tested = results[0].predictions[results[0].rows[0].method]
    log_results(folder, folder, tested, data.segments, heard, cfg.evaluation.audio_examples)
    print_results(results, sentence, folder, time.monotonic() - started)
    return float(results[0].rows[0].scores.headline["joint_accuracy"])


def check_machine(cfg: DictConfig) -> None:
    """Print the memory that the run will take, and refuse what the machine cannot do.

    Raises:
        ConfigError: naming the key, or the memory that is needed and free.
    """
    trainer = build.trainer(cfg)
    check_devices(cfg, trainer)
    check_precision(cfg, trainer)
    loaded, trained = build.estimate(cfg)
    if is_first_process():
        log.info("Before loading: %s", trained.memory())
    check_room(loaded, trained, trainer)


def _train_all(
    cfg: DictConfig, module: AdviceModule, data: MixDataModule, folder: Path, resume_from: Path | None
) -> list[Answerer]:
    """Train the model and its controls; with them answers the model without its adapter."""
    description = fit(cfg, module, data, folder, resume_from)
    limit = cfg.model.max_new_tokens
    answerers = [Answerer("model", "model", module.backbone, limit)]
    if is_first_process():
        answerers.append(Answerer("base_unadapted", "control", description.build(), limit))
    return answerers + [_train_control(cfg, control, data, folder) for control in cfg.controls]


def _keep_as_it_is(cfg: DictConfig, module: AdviceModule, data: MixDataModule, folder: Path) -> Answerer:
    """The answers of a model of which nothing trains, and a folder that `mixlab.advise` takes."""
    print("Nothing trains (adapter=none): the model is evaluated as it is, without controls.", file=sys.stderr)
    description = build.description(cfg, module, data)
    _show_footprint(module)
    if is_first_process():
        save_trained(folder / ADAPTER_FOLDER, module.backbone, description)
    return Answerer("model", "model", module.backbone, cfg.model.max_new_tokens)


def _show_footprint(module: AdviceModule) -> dict[str, int]:
    """Print the table of what trains; returns its figures."""
    found = footprint(module.backbone)
    if is_first_process():
        for line in found.table():
            log.info("%s", line)
    return found.figures()


def fit(
    cfg: DictConfig,
    module: AdviceModule,
    data: MixDataModule,
    folder: Path,
    resume_from: Path | None,
    *further: Callback,
) -> Description:
    """Train a model into `folder` and leave it with its best weights; returns its description.

    Args:
        further: callbacks beside those of every training.
    """
    description = build.description(cfg, module, data)
    figures = _show_footprint(module)
    # Without validation songs there is nothing to choose a checkpoint by: the last one is taken.
    monitor = cfg.callbacks.monitor if data.problems("validation") else None
    mode = "max" if monitor and monitor.endswith("accuracy") else "min"
    checkpoint = BestCheckpoint(
        folder / "checkpoints", "best", monitor=monitor, mode=mode, enable_version_counter=False
    )
    last = folder / "checkpoints" / "last.ckpt"
    callbacks: list[Callback] = [
        checkpoint,
        SaveAdapter(folder / ADAPTER_FOLDER, description),
        SaveLast(last, cfg.callbacks.save_every_steps),
        ValidateLast(),
        NoteProgress(folder),
        *further,
    ]
    if monitor is not None:
        patience = cfg.callbacks.patience
        callbacks.append(EarlyStopping(monitor, patience=patience, mode=mode, check_on_train_epoch_end=False))
    if cfg.callbacks.progress_bar:
        callbacks.append(LossBar())
    loggers = make_loggers(cfg, folder, resume_from)
    for logger in loggers:
        logger.log_hyperparams(figures)
    trainer = build.trainer(
        cfg,
        callbacks=callbacks,
        logger=loggers,
        default_root_dir=folder,
        enable_checkpointing=True,
        enable_progress_bar=cfg.callbacks.progress_bar,
        enable_model_summary=False,
    )
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resume_from, weights_only=True)
    except SystemExit:
        # Lightning turns Ctrl-C into an exit once its callbacks have saved the run.
        run = Path(HydraConfig.get().runtime.output_dir)
        print(
            f"Stopped at step {trainer.global_step}. The adapter and the checkpoint are in {folder}; "
            f"go on with ckpt_path={run}",
            file=sys.stderr,
        )
        sys.exit(130)
    finally:
        finish_control(loggers, folder)
    save_whole(trainer, last)
    if is_first_process():
        if is_sharded(trainer):
            # The other processes leave with their shares: the whole model is built anew, and filled below.
            module.backbone = build.advice_module(cfg, description.build()).backbone
            module.model = module.backbone.model
        if is_sharded(trainer) or Path(checkpoint.best_model_path).is_file():
            best = Path(checkpoint.best_model_path)
            module.fill(read_checkpoint(best if best.is_file() else last))
        save_trained(folder / ADAPTER_FOLDER, module.backbone, description)
    module.eval()
    return description


def _train_control(cfg: DictConfig, control: str, data: MixDataModule, folder: Path) -> Answerer:
    """Train a control on the same examples, for `control_steps` steps at most."""
    name, changes = CONTROLS[control]
    steps = min(cfg.control_steps, cfg.trainer.max_steps)
    changed = cfg.copy()
    with open_dict(changed):
        for key, value in changes.items():
            if key == "adapter":
                value = {"_target_": f"mixlab.models.adapters.{value}", "_partial_": True}
            OmegaConf.update(changed, key, value, merge=False)
        changed.trainer.max_steps = steps
    print(f"Control '{name}': the same examples, {steps} steps, {changes}", file=sys.stderr)
    lightning.seed_everything(cfg.seed, verbose=False)
    module = build.advice_module(changed, build.backbone(changed))
    fit(changed, module, data, folder / "controls" / name, None)
    detail = "" if steps == cfg.trainer.max_steps else f"{steps} steps"
    return Answerer(name, "control", module.backbone, cfg.model.max_new_tokens, detail)


def find_checkpoint(ckpt_path: str | None, runs: Path, this_run: Path) -> Path | None:
    """The checkpoint file to go on from: of the newest other run (``last``), of a run folder, or the file itself.

    Raises:
        CheckpointError: if there is none.
    """
    if ckpt_path is None:
        return None
    if ckpt_path == "last":
        found = [path for path in runs.glob("*/checkpoints/last.ckpt") if this_run not in path.parents]
        if not found:
            raise CheckpointError(f"ckpt_path is 'last', but no run in {runs} has a checkpoint; leave ckpt_path out.")
        return max(found, key=lambda path: path.stat().st_mtime)
    path = Path(ckpt_path)
    file = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"ckpt_path is '{ckpt_path}', but {file} does not exist; give a run folder or a .ckpt.")
    return file


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A Lightning checkpoint, without running anything that a pickle may hold.

    Raises:
        CheckpointError: if the file is none.
    """
    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        checkpoint["state_dict"]
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of mixlab ({type(error).__name__}); give a run folder or a .ckpt file from one."
        ) from error
    return checkpoint
