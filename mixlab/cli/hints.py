"""Room cli: what Hydra refuses, in one sentence with what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixlab.cli.errors import hydra_sentence
from mixlab.settings import close_to


def refusal(error: Exception, verb: str, folder: Path, config: str) -> str:
    """The sentence for an error of Hydra or OmegaConf on a command line.

    Args:
        verb: of the command.
        folder: where Hydra looks for its configuration.
        config: name of its YAML there.
    """
    said = str(error)
    if found := re.search(r"Could not override '([^']+)'", said):
        return _unknown_key(found[1], verb, folder, config)
    if found := re.search(r"Could not find '([\w/]+)/([^/']+)'", said):
        group, choice = found[1], found[2]
        # In the order of the search path: a folder of the user's own stands before mixlab's.
        choices = re.findall(r"^\t(\S+)$", said, re.MULTILINE)
        if choices:
            return f"There is no {group}={choice}{close_to(choice, choices)}; choose one of {', '.join(choices)}."
    return hydra_sentence(error)


def _unknown_key(key: str, verb: str, folder: Path, config: str) -> str:
    if (folder / key).is_dir() and any((folder / key).glob("*.yaml")):
        return f"The group '{key}' is not chosen by default; add it with a plus, +{key}=..."
    keys = [*_keys(_composed(folder, config)), *(path.name for path in folder.iterdir() if path.is_dir())]
    hint = close_to(key, keys)
    if not hint:
        # A key may be right but for its group.
        leaf = key.rpartition(".")[2]
        longer = [found for found in keys if found.endswith(f".{leaf}")]
        hint = f" (did you mean '{longer[0]}'?)" if longer else ""
    return (
        f"There is no key '{key}'{hint}; mixlab {verb} --cfg job prints all, and +{key}=... adds one to an open group."
    )


def _composed(folder: Path, config: str) -> Mapping[str, Any]:
    """The configuration as it is without any word on the command line."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose(config), resolve=False)
    return values


def _keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{before}{key}.")
