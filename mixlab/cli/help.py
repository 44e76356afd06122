"""Room cli: what `mixlab` and `mixlab VERB --help` print; imports nothing heavy."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from mixlab import __version__
from mixlab.cli.table import COMMANDS, config_place

EXIT_CODES = (
    "Exit codes: 0 done, 2 wrong configuration or files (a sentence on stderr), 130 Ctrl-C, 143 SIGTERM, "
    "141 nobody reads."
)


def all_commands() -> str:
    """All commands, one a line."""
    width = max(map(len, COMMANDS))
    lines = [f"  {verb:{width}}  {command.line}" for verb, command in COMMANDS.items()]
    head = f"mixlab {__version__}: train and judge audio-language models that advise on the balance of a mix."
    return "\n".join([head, "", "  mixlab VERB [key=value ...]", "  mixlab VERB --help", "", *lines])


def help_text(verb: str) -> str:
    """What a command does (its module's docstring), its groups, and its keys as its YAML explains them."""
    command = COMMANDS[verb]
    spec = importlib.util.find_spec(command.place[0])
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == command.place[1]]
    parts = [ast.get_docstring(tree) or ""]
    if command.place[1] != "main":
        parts = [ast.get_docstring(named[0]) or ""]
    if command.config is not None:
        folder, name = config_place(command.config)
        body = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        if groups := _groups(folder, body):
            parts.append("== Groups (group=choice) ==\n" + "\n".join(groups))
        if keys := _keys(body):
            parts.append("== Keys (key=value) ==\n" + "\n".join(keys))
    return "\n\n".join([*parts, EXIT_CODES])


APPENDED = ("experiment", "sweep", "debug")
"""Groups that are added with ``+``, or named where nothing was chosen."""


def _groups(folder: Path, body: str) -> list[str]:
    """The groups that a command's defaults name, each with its choices."""
    import yaml

    defaults = (yaml.safe_load(body) or {}).get("defaults", [])
    named = [
        str(key).removeprefix("optional ").split("@")[0]
        for entry in defaults
        if isinstance(entry, dict)
        for key in entry
    ]
    if "train" in defaults:
        return [*_groups(folder, (folder / "train.yaml").read_text(encoding="utf-8")), *_listed(folder, ["search"])]
    names = [name for name in named if not name.startswith("override")]
    return _listed(folder, dict.fromkeys([*names, *(APPENDED if "logger" in names else ())]))


def _listed(folder: Path, names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        choices = sorted(path.stem for path in (folder / name).glob("*.yaml"))
        if choices:
            found.append(f"  {'+' if name in ('experiment', 'sweep') else ''}{name}: {', '.join(choices)}")
    return found


def _keys(body: str) -> list[str]:
    """The lines of a YAML that hold keys of the command itself, with their comments."""
    kept, skipped = [], False
    for line in body.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            skipped = line.startswith(("defaults:", "hydra:"))
        if line.strip() and not line.startswith("#") and not skipped:
            kept.append(f"  {line}")
    return kept
