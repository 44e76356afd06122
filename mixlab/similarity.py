"""Compare predictions with what experts say of the same items.

    python -m mixlab.similarity predictions=outputs/bass_anchor/<run> annotations=annotations.jsonl

Needs ``pip install 'mixlab[similarity]'``. ``--help`` explains the format of annotations and the measures.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli


def main(cfg: DictConfig) -> None:
    """Check the configuration and the files, then compare, print and write."""
    from mixlab.judging.schema import similarity_settings

    settings = similarity_settings(cfg)
    from mixlab.judging.command import similarity

    similarity(settings)


if __name__ == "__main__":
    # Beside its room's code: in conf/ some of the keys are groups of the training configuration.
    cli.run(main, "similarity", folder=str(Path(__file__).resolve().parent / "judging" / "conf"))
