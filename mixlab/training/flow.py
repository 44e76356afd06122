"""Room training: one training run from settings to report."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch

from mixlab.chat.encoder import ChatEncoder
from mixlab.errors import CheckpointError, ConfigError
from mixlab.evaluation.answering import Answerer, LoadedModel
from mixlab.evaluation.flow import Subject, evaluate_and_report, require_test_items
from mixlab.items.bank import ItemBank
from mixlab.items.build import build_bank
from mixlab.models.adapters import trainable_state
from mixlab.models.checkpoints import save_trained
from mixlab.models.module import AdviceModule
from mixlab.models.recipes import build_backbone, read_chat
from mixlab.registry import Choice
from mixlab.runs.folder import RunFolder
from mixlab.runs.job import Job
from mixlab.runs.settings import Control, TrainSettings
from mixlab.runs.trainer import Devices, build_trainer, is_first_process
from mixlab.runs.wandb import closing_runs
from mixlab.training.build import build_module, describe_run, estimate
from mixlab.training.data import MixDataModule
from mixlab.training.fit import fit, read_checkpoint, show_footprint
from mixlab.training.hardware import check_devices, check_precision, check_room

log = logging.getLogger(__name__)

CONTROL_ROWS = {Control.UNTRAINED_BASE: "lora_untrained_base", Control.FROM_SCRATCH: "from_scratch"}
"""The names of control runs in the results."""


@closing_runs()
def train(settings: TrainSettings, job: Job) -> float:
    """Train, evaluate the best checkpoint on held-out songs, and write the run folder.

    Returns:
        The joint accuracy on test songs; NaN in all but the first of several processes.
    """
    started_s = time.monotonic()
    quieten_libraries()
    run = RunFolder(job.folder)
    torch.set_num_threads(settings.trainer.threads)
    if settings.controls and settings.model.builder != "tiny":
        log.warning("Control runs exist for the tiny model only, so %s are left out.", ", ".join(settings.controls))
        settings = settings.but(controls=())
    resume_from = find_checkpoint(settings.ckpt_path, Path(settings.paths.outputs) / settings.name, run.path)
    module, data = prepare_run(settings, job, resume_from)
    require_test_items(data.bank)
    subject = Subject(settings.name, _answerers(settings, module, data, run, job, resume_from), data.encoder)
    return evaluate_and_report(
        subject,
        data.bank,
        settings.evaluation,
        Devices(settings.trainer),
        run,
        settings,
        started_s=started_s,
        probes=settings.probes,
        own_items=bool(trainable_state(module.model)),
        logged_to=run,
    )


def prepare_run(settings: TrainSettings, job: Job, resume_from: Path | None) -> tuple[AdviceModule, MixDataModule]:
    """The module and the data of a run, ready to fit; what does not fit is said before weights load and songs render.

    Writes the configuration into the run folder.
    """
    if is_first_process():
        RunFolder(job.folder).write_config(settings)
    lightning.seed_everything(settings.seed, verbose=False)
    chat = read_chat(settings.model)
    bank = build_bank(settings, chat.front_end.sample_rate)
    check_machine(settings, job)
    module = new_module(settings, bank)
    if resume_from is not None:
        checkpoint = read_checkpoint(resume_from)
        module.on_load_checkpoint(checkpoint)
        if job.folder not in resume_from.parents:
            require_steps_left(settings, int(checkpoint["global_step"]))
    data = MixDataModule(
        bank, ChatEncoder(module.backbone.chat, settings.readings), settings.trainer.features == "worker"
    )
    data.prepare_data()
    data.setup()
    return module, data


def new_module(settings: TrainSettings, bank: ItemBank) -> AdviceModule:
    """The LightningModule of a run, with its backbone loaded."""
    base = build_backbone(settings.model, bank.inputs, len(bank.roles), settings.data.segment_s)
    return build_module(settings, base, bank)


def check_machine(settings: TrainSettings, job: Job) -> None:
    """Print the memory that the run will take, and refuse what the machine cannot do.

    Raises:
        ConfigError: naming the key, or the memory that is needed and free.
    """
    trainer = build_trainer(settings.trainer)
    check_devices(settings, trainer, job)
    check_precision(settings, trainer)
    loaded, trained = estimate(settings)
    if is_first_process():
        log.info("Before loading: %s", trained.memory())
    check_room(loaded, trained, trainer)


def _answerers(
    settings: TrainSettings,
    module: AdviceModule,
    data: MixDataModule,
    run: RunFolder,
    job: Job,
    resume_from: Path | None,
) -> list[Answerer]:
    """The trained model, then its base without the adapter, then its controls; or a model of which nothing trains."""
    limit = settings.model.max_new_tokens
    if not trainable_state(module.model):
        print("Nothing trains (adapter=none): the model is evaluated as it is, without controls.", file=sys.stderr)
        description = describe_run(settings, module, data)
        show_footprint(module)
        if is_first_process():
            save_trained(run.adapter, module.backbone, description)
        return [LoadedModel("model", "model", module.backbone, limit)]
    description = fit(settings, module, data, run, job, resume_from)
    answerers = [
        LoadedModel("model", "model", module.backbone, limit),
        LoadedModel("base_unadapted", "control", description.build(), limit),
    ]
    return answerers + [_train_control(settings, control, data, run, job) for control in settings.controls]


def _train_control(
    settings: TrainSettings, control: Control, data: MixDataModule, run: RunFolder, job: Job
) -> Answerer:
    """Train a control on the same examples, for `control_steps` steps at most."""
    name, steps = CONTROL_ROWS[control], min(settings.control_steps, settings.trainer.max_steps)
    changes: dict[str, Any] = {
        "model": settings.model.but(arguments=settings.model.arguments | {"base": None}),
        "trainer": settings.trainer.but(max_steps=steps),
    }
    if control is Control.FROM_SCRATCH:
        changes["adapter"] = Choice(kind="full")
        changes["optim"] = Choice.model_validate(settings.optim.plain() | {"lr": 1.5e-3})
    print(f"Control '{name}': the same examples, {steps} steps, without the describing base", file=sys.stderr)
    lightning.seed_everything(settings.seed, verbose=False)
    changed = settings.but(**changes)
    module = new_module(changed, data.bank)
    fit(changed, module, data, run.control(name), job, None)
    detail = "" if steps == settings.trainer.max_steps else f"{steps} steps"
    return LoadedModel(name, "control", module.backbone, settings.model.max_new_tokens, detail)


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
    path = Path(ckpt_path).expanduser()
    file = RunFolder(path).last_checkpoint if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"ckpt_path is '{ckpt_path}', but {file} does not exist; give a run folder or a .ckpt.")
    return file


def require_steps_left(settings: TrainSettings, done: int) -> None:
    """Refuse to go on from another run that has had all its steps: nothing would be trained.

    A run may go on from its own: killed behind its last step, it is still to be evaluated.

    Args:
        done: steps of the run to go on from.

    Raises:
        ConfigError: naming the keys.
    """
    if done >= settings.trainer.max_steps:
        raise ConfigError(
            f"ckpt_path is '{settings.ckpt_path}', a run of {done} steps, and trainer.max_steps is "
            f"{settings.trainer.max_steps}; set it above {done}, or ask mixlab evaluate for that run's figures."
        )


def quieten_libraries() -> None:
    """Keep to themselves what libraries say of things that are so on purpose; their other warnings stay."""
    # Lightning announces hardware and products on stderr, twice under Hydra's logging.
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for words in (
        ".*dataloader is not resumable.*",  # the sampler starts at the next example
        ".*`srun` command is available.*",  # said wherever SLURM is installed, also to those who do not use it
        # Batches are moved by the module alone: it computes their features there.
        ".*You have overridden `(transfer_batch_to_device|on_after_batch_transfer)`.*",
        ".*LeafSpec.*",  # of PyTorch's own making, inside Lightning
    ):
        warnings.filterwarnings("ignore", words)
