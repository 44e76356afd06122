"""Write a fixed data set: items in chat form with clips, card and manifest; or rebuild the clips that one leaves out.

    python -m mixlab.export out=/data/advice dataset=demo_small
    python -m mixlab.export rebuild=/data/advice dataset=musdb18hq dataset.root=/data/musdb18hq

It is read back with ``python -m mixlab.train dataset=jsonl dataset.root=/data/advice``, by Hugging Face datasets, by
ms-swift and by LLaMA-Factory. ``--help`` explains the keys.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import ExportSchema, check


def main(cfg: DictConfig) -> None:
    """Export or rebuild, and say what is there."""
    check(OmegaConf.to_container(cfg, resolve=True), ExportSchema)  # type: ignore[arg-type]
    from mixlab.exporting import export, rebuild

    print(export(cfg) if cfg.rebuild is None else rebuild(cfg))


if __name__ == "__main__":
    cli.run(main, "export")
