"""Bring songs into the store and tell what they measure.

    python -m mixlab.prepare dataset=musdb18hq dataset.root=/data/musdb18hq

Writes the store and the segment index below ``paths.cache``, and a folder under ``outputs/prepare/`` with
segments.parquet, statistics.json and statistics.html. Training prepares by itself what is missing.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import PrepareSchema, check


def main(cfg: DictConfig) -> None:
    """Prepare, measure and report."""
    check(OmegaConf.to_container(cfg, resolve=True), PrepareSchema)  # type: ignore[arg-type]
    from mixlab.preparing import run

    run(cfg)


if __name__ == "__main__":
    cli.run(main, "prepare")
