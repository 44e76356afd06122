"""Show many runs at a glance: direction accuracy and error in dB by anchor, error range, prompt category and rank.

    python -m mixlab.dashboard runs=[outputs/bass_anchor]            # one HTML page, from local run folders
    python -m mixlab.dashboard entity=<account> project=mixlab       # a W&B workspace and report

The second needs ``pip install 'mixlab[dashboard]'`` and a W&B key.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import DashboardSchema, check


def main(cfg: DictConfig) -> None:
    """Check the configuration, then write the page, the workspace or both, and print where they are."""
    check(OmegaConf.to_container(cfg, resolve=True), DashboardSchema)  # type: ignore[arg-type]
    from mixlab.tracking.page import find_runs, write_dashboard
    from mixlab.tracking.workspace import save_dashboard

    if cfg.runs:
        page = write_dashboard(find_runs([Path(run).expanduser() for run in cfg.runs]), Path(cfg.out))
        print(f"Dashboard: {page}")
    if cfg.entity is not None:
        print("\n".join(save_dashboard(cfg.entity, cfg.project)))


if __name__ == "__main__":
    cli.run(main, "dashboard")
