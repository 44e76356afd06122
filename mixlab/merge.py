"""Write what a run trained as one model, a plain transformers folder without an adapter.

    python -m mixlab.merge checkpoint=outputs/bass_anchor/<run> out=/data/merged

transformers and vLLM load the folder; mixlab is not needed for that.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import MergeSchema, check


def main(cfg: DictConfig) -> None:
    """Merge, write, and say what can be served."""
    check(OmegaConf.to_container(cfg, resolve=True), MergeSchema)  # type: ignore[arg-type]
    from mixlab.merging import merge

    print(merge(cfg))


if __name__ == "__main__":
    cli.run(main, "merge")
