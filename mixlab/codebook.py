"""Fit the codebook of audio codes that a unified backbone reads as words.

    python -m mixlab.codebook dataset=demo
    python -m mixlab.train +experiment=bass_anchor model=unified controls=[]

K-means over the log-mel frames of training examples, heard as training hears them: with gain errors and master gains,
none normalised, so that codes tell the level. Validation and test songs have no part in it.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixlab import cli
from mixlab.config import CodebookSchema, check


def main(cfg: DictConfig) -> None:
    """Fit the codebook, and say where it is."""
    check(OmegaConf.to_container(cfg, resolve=True), CodebookSchema)  # type: ignore[arg-type]
    from mixlab.fitting import fit

    print(fit(cfg))


if __name__ == "__main__":
    cli.run(main, "codebook")
