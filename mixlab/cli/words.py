"""Room cli: the words of a command line before Hydra reads them: options first, `~` expanded, the rest readable."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mixlab.cli.help import APPENDED
from mixlab.errors import ConfigError


def read_words(words: Sequence[str], verb: str, folder: Path) -> list[str]:
    """The words of a command line in an order that Hydra takes (options, then overrides), all of which it can read.

    Args:
        words: behind the verb.
        verb: of the command.
        folder: of the command's configuration, whose folders are groups.

    Raises:
        ConfigError: for the first word that is no option or override, with what was probably meant, or quoted so that
            it is read.
    """
    asked, strange = _parser(verb).parse_known_intermixed_args(list(words))
    if asked.shell_completion:
        return list(words)
    if strange:
        raise ConfigError(_unknown_option(list(words), strange[0], verb, folder))
    if asked.experimental_rerun:
        raise ConfigError("--experimental-rerun reads a pickle, which may run anything; give the command line again.")
    tasks = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(asked, name)]
    if len(tasks) > 1:
        raise ConfigError(f"{' and '.join(tasks)} exclude each other; leave all but one out.")
    options = list(words)
    for override in asked.overrides:
        options.remove(override)
    return [*options, *(_readable(override, verb, folder) for override in _of_the_answerer(asked.overrides))]


def _of_the_answerer(overrides: Sequence[str]) -> list[str]:
    """Overrides in which ``endpoint=`` and ``model=`` are the answerer's, where one is chosen: it loads no model."""
    if not any(override.startswith("answerer=") for override in overrides):
        return list(overrides)
    return [f"answerer.{word}" if re.match(r"(endpoint|model)=", word) else word for word in overrides]


class _Parser(argparse.ArgumentParser):
    """Words errors in one sentence, and completes no options: `--experiment` is none of Hydra's."""

    verb = ""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message[0].upper()}{message[1:]}; mixlab {self.verb} --hydra-help lists the options.")


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False, parents=[get_args_parser()])
    parser.verb = verb
    return parser


def _unknown_option(words: list[str], option: str, verb: str, folder: Path) -> str:
    name, equals, value = option.partition("=")
    key = name.lstrip("-").replace("-", "_")
    behind = words[words.index(option) + 1 :][:1]
    if not equals:
        value = behind[0] if behind and "=" not in behind[0] and not behind[0].startswith("-") else "..."
    known = [path.name for path in folder.iterdir() if path.is_dir()]
    meant = f"write {_plus(key, folder)}{key}={value}" if key in known else "keys are written as key=value"
    return f"There is no option {name}; {meant}, and mixlab {verb} --hydra-help lists the options."


def _plus(group: str, folder: Path) -> str:
    return "+" if group in APPENDED and group != "debug" and (folder / group).is_dir() else ""


def _readable(word: str, verb: str, folder: Path) -> str:
    """An override as Hydra reads it."""
    key, equals, value = word.partition("=")
    if not equals and not word.startswith("~"):
        raise ConfigError(_no_override(word, verb, folder))
    if not re.fullmatch(r"[~+]{0,2}[\w./@:-]+", key, re.ASCII):
        raise ConfigError(f"'{word}' is no override: '{key}' cannot be a key; write key=value.")
    if (parsed := _parsed(word)) is None and (parsed := _parsed(word := f"{key}={_at_home(value)}")) is None:
        quoted = f"{key}={quoted_value(value)}"
        remedy = f"write {shlex.quote(quoted)}" if _parsed(quoted) is not None else "quote the value"
        raise ConfigError(f"The value of {key} cannot be read as it stands ({value}); {remedy}.")
    _check_group(parsed, folder)
    return word


def _no_override(word: str, verb: str, folder: Path) -> str:
    groups = [path.parent.name for path in sorted(folder.glob(f"*/{word}.yaml"))] if re.fullmatch(r"\w+", word) else []
    meant = " or ".join(f"{_plus(group, folder)}{group}={word}" for group in groups[:3])
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"'{word}' is no override{hint}; write key=value, and mixlab {verb} --help lists the keys."


def _parsed(word: str) -> Override | None:
    """What Hydra's grammar makes of a word; None where it makes nothing."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _at_home(value: str) -> str:
    """A value whose paths start at the home folder, which shells do not expand behind every key."""
    return re.sub(r"(?:^|(?<=[\[,]))(\s*)(~[\w.-]*(?:/[^,\]]*)?)", _expanded, value)


def _expanded(found: re.Match[str]) -> str:
    path = os.path.expanduser(found[2])
    return found[1] + (path if _parsed(f"path={path}") is not None else quote(path))


def quoted_value(value: str) -> str:
    """A value, or the parts of a list that Hydra cannot read as they stand, in quotes of Hydra's own."""
    if not (value.startswith("[") and value.endswith("]")):
        return quote(value)
    parts = [part.strip() for part in value[1:-1].split(",")]
    return f"[{','.join(part if _parsed(f'part={part}') is not None else quote(part) for part in parts)}]"


def quote(text: str) -> str:
    """A text in double quotes, as Hydra reads it."""
    return '"' + re.sub(r'(\\*)(?="|$)', r"\1\1", text).replace('"', '\\"') + '"'


def _check_group(override: Override, folder: Path) -> None:
    """Raise ConfigError where a group is given something else than the name of a choice."""
    group = folder / override.key_or_group
    choices = sorted(path.stem for path in group.glob("*.yaml")) if override.key_or_group else []
    value: Any = override.value()
    if not choices or override.is_delete() or override.is_sweep_override() or isinstance(value, str | list | dict):
        return
    chosen = str(override.input_line).partition("=")[2]
    raise ConfigError(
        f"There is no {override.key_or_group}={chosen}; choose one of {', '.join(choices)}, or leave it out."
    )
