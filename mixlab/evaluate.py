"""Evaluate a trained model, a model as it comes, or a baseline on held-out songs.

    python -m mixlab.evaluate checkpoint=outputs/bass_anchor/<run> evaluation=default

Writes metrics.json, predictions.jsonl, comparisons, probes and report.html into the run folder, or into ``out=``.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import EvaluateSchema, check


def main(cfg: DictConfig) -> float:
    """Evaluate; returns the joint accuracy on test songs."""
    check(OmegaConf.to_container(cfg, resolve=True), EvaluateSchema)  # type: ignore[arg-type]
    from hydra.core.hydra_config import HydraConfig

    from mixlab.evaluating import evaluate

    return evaluate(cfg, HydraConfig.get().overrides.task)


if __name__ == "__main__":
    cli.run(main, "evaluate")
