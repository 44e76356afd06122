"""Advice on the balance of a mix, as a page in the browser and as an API.

    python -m mixlab.app                                        # the model that comes with the package, on this machine
    python -m mixlab.app checkpoint=<run or adapter folder>     # your own
    python -m mixlab.app host=0.0.0.0 port=7860                 # for other machines too

``--help`` explains the keys; mixlab/web/api.py shows how programs call it. Needs ``pip install 'mixlab[web]'``.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli
from mixlab.errors import ConfigError


def main(cfg: DictConfig) -> None:
    """Check the configuration, load the model, and serve until Ctrl-C."""
    from mixlab.web.schema import settings

    checked = settings(cfg)
    if find_spec("gradio") is None:
        raise ConfigError("mixlab.app needs the package gradio, which is missing; pip install 'mixlab[web]'.")
    # Read when Gradio is imported: nothing of this server is told to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from mixlab.web.server import serve

    serve(checked)


if __name__ == "__main__":
    cli.run(main, "app", folder=str(Path(__file__).resolve().parent / "web"))
