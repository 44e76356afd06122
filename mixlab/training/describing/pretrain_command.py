"""Make the tiny describing base that comes with the package.

    mixlab pretrain out=mixlab/models/tiny_listener

It learns from demo songs that no experiment uses to say which stem a clip is, how loud it is and how clips compare,
and the genre; it never hears of gain errors or advice.
"""

from __future__ import annotations

from pathlib import Path

from mixlab.storage import refuse_file
from mixlab.training.describing.settings import PretrainSettings


def check(settings: PretrainSettings) -> None:
    """Refuse what would only show after the first stage.

    Raises:
        MixlabError: naming the key.
    """
    from mixlab.models.optim import OPTIMIZERS

    refuse_file(Path(settings.out))
    settings.optim.build(OPTIMIZERS, "optim")
    settings.ear.optim.build(OPTIMIZERS, "ear.optim")


def main(settings: PretrainSettings) -> None:
    """Train the base and write its folder, with its card and log."""
    from mixlab.training.describing.run import make_base

    make_base(settings)
