"""Say which of several runs is better, on the items that all of them answered.

    python -m mixlab.compare runs=[outputs/a/<run>,outputs/b/<run>]

Writes comparisons.md, comparisons.csv and comparisons.json into ``out=`` and prints the tables.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import CompareSchema, check


def main(cfg: DictConfig) -> None:
    """Check the configuration, then read, compare, write and print."""
    check(OmegaConf.to_container(cfg, resolve=True), CompareSchema)  # type: ignore[arg-type]
    from mixlab.comparing import compare

    print(compare(cfg))


if __name__ == "__main__":
    cli.run(main, "compare")
