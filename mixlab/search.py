"""Search settings of a training by what validation says of them; test songs are left alone.

    python -m mixlab.search +experiment=bass_anchor search=lora search.trials=20

Writes ``search_<study>/`` under ``outputs/<name>/``: a folder a trial, trials.csv, search.md with the best trial's
command line, and Optuna's storage. Started again, it goes on; started beside itself, both work on one study.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import check
from mixlab.search_schema import SearchSchema


def main(cfg: DictConfig) -> float:
    """Check the configuration, then search; returns the best trial's validation figure."""
    check(OmegaConf.to_container(cfg, resolve=True), SearchSchema)  # type: ignore[arg-type]
    from mixlab.searching import search

    return search(cfg)


if __name__ == "__main__":
    cli.run(main, "search")
