"""The folder of a Space: mixlab's web interface with an adapter, its code and locked requirements."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mixlab
from mixlab.errors import ConfigError
from mixlab.hub.model_card import NON_COMMERCIAL
from mixlab.storage import config_folder

REQUIREMENTS = "requirements.txt"

LEFT_OUT = ("__pycache__", "*.pyc", "log", "tiny_advisor")
"""Of the package, what a Space does not need: how the base was made, and the adapter that its own replaces."""

APP = '''"""Starts mixlab's web interface with the adapter in this folder."""

import os
import runpy
import sys
from pathlib import Path

os.chdir(Path(__file__).resolve().parent)
sys.path.insert(0, os.getcwd())
# A Space is reached through the Hub's proxies alone, from within its network.
proxies = "behind_proxy='10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.1'"
sys.argv = ["mixlab", "app", "checkpoint=./adapter", "host=0.0.0.0", "port=7860", proxies]
runpy.run_module("mixlab", run_name="__main__", alter_sys=True)
'''


def write_space(folder: Path, repo: str, licence: str) -> None:
    """Write everything but the adapter: app.py, mixlab's code, requirements and card.

    mixlab lies in the folder as source: a Space installs its requirements before its files are there, so a wheel beside
    them would not be found.

    Args:
        repo: of the model, which the card names.
        licence: of the model, as the Hub names it, or "other".
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APP, encoding="utf-8")
    code = Path(mixlab.__file__).parent
    shutil.copytree(code, folder / "mixlab", ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copytree(config_folder(), folder / "mixlab" / "conf", dirs_exist_ok=True)
    (folder / REQUIREMENTS).write_text(requirements(_settings()["requirements"]), encoding="utf-8")
    (folder / "README.md").write_text(_card(repo, licence), encoding="utf-8")


def requirements(roots: Sequence[str]) -> str:
    """A requirements.txt with the installed version of each package that `roots` need, directly or not.

    Raises:
        ConfigError: if one of them is not installed.
    """
    pins: dict[str, str] = {}
    waiting = [Requirement(root) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            raise ConfigError(
                f"The Space needs '{wanted.name}', which is not installed here; pip install 'mixlab[web]', so that "
                "what is published is what was tried."
            ) from None
        pins[name] = f"{name}=={found.version}"
        for line in found.requires or ():
            needed = Requirement(line)
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return "".join(f"{pins[name]}\n" for name in sorted(pins))


def _card(repo: str, licence: str) -> str:
    from huggingface_hub import SpaceCardData

    front = dict(_settings()["front_matter"])
    python = ".".join(platform.python_version_tuple()[:2])
    named = "other" if licence == NON_COMMERCIAL else licence
    front |= {"sdk_version": metadata.version("gradio"), "python_version": python}
    data = SpaceCardData(license=named, models=[repo], **front)
    return (
        f"---\n{data.to_yaml()}\n---\n\n# {front['title']}\n\n"
        "Drop the stems of a mix, or pick a demo song; an audio-language model says which stem to turn by how many dB, "
        "and a loudness meter with a rule says what it would do. The model: "
        f"[{repo}](https://huggingface.co/{repo}), whose card says how far it can be trusted.\n\n"
        "The demo songs are composed and rendered by mixlab itself (CC0-1.0). `mixlab/` is its source (Apache-2.0), "
        f"`{REQUIREMENTS}` the exact versions that it was tried with. Elsewhere than on a Space:\n\n"
        f"    pip install -r {REQUIREMENTS} && python app.py    # http://127.0.0.1:7860\n"
    )


@cache
def _settings() -> dict[str, Any]:
    return dict(yaml.safe_load(resources.files("mixlab.hub").joinpath("space.yaml").read_text(encoding="utf-8")))
