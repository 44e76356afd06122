"""Fine-tune a model to advise on the balance of a mix, and evaluate it.

    python -m mixlab.train +experiment=bass_anchor

Writes a run folder under ``outputs/<name>/``: resolved config, metrics.json, predictions.jsonl, report.html,
checkpoints and the adapter. ``--help`` lists the groups of the configuration.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import TrainSchema, check


def main(cfg: DictConfig) -> float:
    """Train and evaluate; returns the joint accuracy on test songs."""
    check(OmegaConf.to_container(cfg, resolve=True), TrainSchema)  # type: ignore[arg-type]
    from mixlab.training import train

    return train(cfg)


if __name__ == "__main__":
    cli.run(main, "train", recorded=True)
