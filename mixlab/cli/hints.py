"""Room cli: what Hydra refuses, in one sentence with what was probably meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mixlab.cli.errors import hydra_sentence
from mixlab.cli.table import COMMANDS, config_place, kind_of
from mixlab.cli.words import quote
from mixlab.settings import close_to, settings_at


def refusal(error: Exception, verb: str) -> str:
    """The sentence for an error of Hydra or OmegaConf on the command line of a command."""
    said = str(error)
    folder, _ = config_place(str(COMMANDS[verb].config))
    if found := re.search(r"[Ii]nterpolation key '([^']+)' not found", said):
        place = re.search(r"full_key: (\S+)", said)
        key = place[1] if place else "key"
        literal = shlex.quote(f'{key.partition("[")[0]}="\\${{{found[1]}}}"')
        keys = {*_keys(_composed(verb))} - {found[1]}
        said = f"The key '{key}' refers to '{found[1]}', and there is no such key{close_to(found[1], keys)}"
        return f"{said}; correct it, or write a dollar as in {literal}."
    if found := re.search(r"Could not override '([^']+)'", said):
        added = re.search(r"use (\+.+)", said)
        return _unknown_key(found[1], added[1] if added else f"+{found[1]}=...", verb, folder)
    if found := re.search(r"Could not find '([\w/]+)/([^/']*)'", said):
        group, choice = found[1], found[2]
        # In the order of the search path: a folder of the user's own stands before mixlab's.
        choices = re.findall(r"^\t(\S+)$", said, re.MULTILINE)
        if choices:
            return f"There is no {group}={choice}{close_to(choice, choices)}; choose one of {', '.join(choices)}."
    if found := re.search(r"force-add of config groups is not supported: '\+\+([^']+)'", said):
        return f"A group takes one plus; write +{found[1]}."
    if found := re.search(r"Ambiguous value for argument '([^=]+)=([^']+)'", said):
        listed, text = shlex.quote(f"{found[1]}=[{found[2]}]"), shlex.quote(f"{found[1]}={quote(found[2])}")
        other = "" if (folder / found[1]).is_dir() else f", or write {listed} (a list) or {text} (a text)"
        return f"{found[1]}={found[2]} is several values; add -m to sweep over them{other}."
    if found := re.search(r"Sweep parameters '([^']+)' requires --multirun", said):
        return f"{found[1]} is several values; add -m to sweep over them."
    if found := re.search(r"An item is already at '([^']+)'", said):
        return f"There is a key '{found[1]}' already; write {found[1]}=... without a plus."
    return hydra_sentence(error)


def _unknown_key(key: str, added: str, verb: str, folder: Path) -> str:
    if (folder / key).is_dir() and any((folder / key).glob("*.yaml")):
        return f"The group '{key}' is not chosen by default; add it with a plus, {added}."
    *path, last = key.split(".")
    if (found_in := settings_at(kind_of(verb), path)) is not None:
        if last in found_in.refused:
            return f"There is no key '{key}': {found_in.refused[last]}."
        if last in found_in.model_fields:
            return f"The key '{key}' has no value by default; add it with a plus, {added}."
    keys = [*_keys(_composed(verb)), *(path.name for path in folder.iterdir() if path.is_dir())]
    hint = close_to(key, keys)
    if not hint:
        # A key may be right but for its group.
        longer = [found for found in keys if found.endswith(f".{last}")]
        hint = f" (did you mean '{longer[0]}'?)" if longer else ""
    return f"There is no key '{key}'{hint}; mixlab {verb} --cfg job prints all, and {added} adds one to an open group."


def _composed(verb: str) -> Mapping[str, Any]:
    """The configuration as it is without any word on the command line."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    folder, config = config_place(str(COMMANDS[verb].config))
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose(config), resolve=False)
    return values


def _keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{before}{key}.")
