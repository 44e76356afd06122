"""Ask a trained model how to balance your own tracks.

    python -m mixlab.advise checkpoint=<run or adapter folder> anchor=bass.wav tracks='[vocals.wav,drums.wav]'
    python -m mixlab.advise ... prompt="I think the vocals are too quiet"     # your claim, confirmed or corrected
    python -m mixlab.advise ... format=json apply=out/                        # as data; rebalanced tracks and mix

``--help`` explains the keys and how names with spaces are quoted.
"""

from __future__ import annotations

from omegaconf import DictConfig

from mixlab import cli


def main(cfg: DictConfig) -> None:
    """Check the configuration, then listen, print the advice and, where asked, write the rebalanced files."""
    from mixlab.advising.schema import settings

    checked = settings(cfg)
    from mixlab.advising.command import advise

    advise(checked)


if __name__ == "__main__":
    cli.run(main, "advise")
