"""Make the folders that go to the Hugging Face Hub (model, data set, Space), and upload them when told to.

    python -m mixlab.publish checkpoint=<run> repo=user/name out=release                # makes and shows them
    python -m mixlab.publish checkpoint=<run> repo=user/name out=release dry_run=false  # uploads them

``--help`` explains the keys.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli


def main(cfg: DictConfig) -> None:
    """Check the configuration, then make, show and, where asked, upload."""
    from mixlab.hub.schema import settings

    checked = settings(cfg)
    from mixlab.publishing import publish

    publish(checked)


if __name__ == "__main__":
    cli.run(main, "publish", folder=str(Path(__file__).resolve().parent / "hub" / "conf"))
