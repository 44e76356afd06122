"""Floor of the entry points: where metrics go; a CSV file always, Weights & Biases if asked for."""

from __future__ import annotations

import csv
import hashlib
import netrc
import os
import sys
from pathlib import Path
from urllib.parse import urlparse

from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf


def make_loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers of a run. W&B goes offline by itself where no key is found, and says so."""
    loggers: list[Logger] = [CSVLogger(folder, name="", version="logs")]
    if cfg.logger.wandb is not None:
        from lightning.pytorch.loggers import WandbLogger

        offline = os.environ.get("WANDB_MODE") == "offline" or not has_wandb_key()
        if offline:
            print(f"No W&B key found: logging offline; later: wandb sync {folder}/wandb/offline-run-*", file=sys.stderr)
        loggers.append(
            WandbLogger(
                project=cfg.logger.wandb.project,
                tags=list(cfg.logger.wandb.tags),
                save_dir=folder,
                id=wandb_id(folder),
                offline=offline,
                config=OmegaConf.to_container(cfg, resolve=True),
            )
        )
    return loggers


def wandb_id(folder: Path) -> str:
    """The id of a run folder's W&B run, so that what is measured after training joins what was logged in it."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


@rank_zero_only
def log_tables(cfg: DictConfig, folder: Path) -> None:
    """Log the tables in a run folder (``tables/*.csv``) to the W&B run of its training; nothing without that logger."""
    if cfg.logger.wandb is None:
        return
    import wandb

    offline = os.environ.get("WANDB_MODE") == "offline" or not has_wandb_key()
    run = wandb.init(
        project=cfg.logger.wandb.project,
        dir=folder,
        id=wandb_id(folder),
        resume="allow",
        mode="offline" if offline else "online",
        settings=wandb.Settings(silent=True),
    )
    try:
        for path in sorted((folder / "tables").glob("*.csv")):
            with path.open(newline="", encoding="utf-8") as handle:
                names, *rows = csv.reader(handle)
            table = wandb.Table(list(names), [[_value(cell) for cell in row] for row in rows])
            run.log({f"tables/{path.stem}": table})
    finally:
        run.finish()


def _value(cell: str) -> float | str | None:
    """A cell of a CSV file as W&B has it: a number, a text, or nothing."""
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def has_wandb_key() -> bool:
    """Whether a W&B key is in the environment or in the user's netrc file; the key itself is not kept."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (FileNotFoundError, netrc.NetrcParseError):
        return False
