"""Ask a trained model how to balance your own tracks.

    python -m mixlab.advise checkpoint=<run or adapter folder> anchor=bass.wav tracks='[vocals.wav,drums.wav]'
    python -m mixlab.advise ... prompt="I think the vocals are too quiet"     # your claim, confirmed or corrected
    python -m mixlab.advise ... format=json apply=out/                        # as data; rebalanced tracks and mix

``--help`` explains the keys and how names with spaces are quoted.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli


def main(cfg: DictConfig) -> None:
    """Check the configuration, then listen, print the advice and, where asked, write the rebalanced files."""
    from mixlab.advising.schema import settings

    checked = settings(cfg)
    from mixlab.advising.command import advise

    advise(checked)


if __name__ == "__main__":
    # In conf/, where Hydra would look, `anchor` and `prompt` are groups of the training configuration; here they are
    # the user's file and sentence. So this command's configuration lies beside its code.
    cli.run(main, "advise", folder=str(Path(__file__).resolve().parent / "advising"))
