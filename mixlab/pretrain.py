"""Make the tiny describing base that comes with the package.

    python -m mixlab.pretrain out=mixlab/models/tiny_listener

It learns from demo songs that no experiment uses to say which stem a clip is, how loud it is and how clips compare,
and the genre; it never hears of gain errors or advice.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import PretrainSchema, check


def main(cfg: DictConfig) -> None:
    """Train the base and write its folder, with its card and log."""
    check(OmegaConf.to_container(cfg, resolve=True), PretrainSchema)  # type: ignore[arg-type]
    from mixlab.pretraining.run import run

    run(cfg)


if __name__ == "__main__":
    cli.run(main, "pretrain")
