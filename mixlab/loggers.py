"""Floor of the entry points: where metrics go; a CSV file always, Weights & Biases if asked for."""

from __future__ import annotations

import netrc
import os
import sys
from pathlib import Path
from urllib.parse import urlparse

from lightning.pytorch.loggers import CSVLogger, Logger
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
                offline=offline,
                config=OmegaConf.to_container(cfg, resolve=True),
            )
        )
    return loggers


def has_wandb_key() -> bool:
    """Whether a W&B key is in the environment or in the user's netrc file; the key itself is not kept."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (FileNotFoundError, netrc.NetrcParseError):
        return False
