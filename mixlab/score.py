"""Score anybody's answers in words against their labels.

    python -m mixlab.score predictions=FILE.jsonl format=mixingbuddy out=FILE.json
    python -m mixlab.score predictions=RUN/predictions.jsonl

Texts are read by mixlab's own parser. ``--help`` explains the keys; conf/format/fields.yaml, which field holds what.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import ScoreSchema, check


def main(cfg: DictConfig) -> None:
    """Score, print the tables and, where asked, write all figures."""
    check(OmegaConf.to_container(cfg, resolve=True), ScoreSchema)  # type: ignore[arg-type]
    from mixlab.score_texts import run

    run(cfg)


if __name__ == "__main__":
    cli.run(main, "score")
