"""Room multitrack: metadata files of data sets, JSON or YAML, read as plain text values and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import InputFileError

LARGEST_BYTES = 4_000_000
"""A larger file describes no song."""

DEEPEST = 32
"""Lists and mappings in each other; a deeper file describes no song, and a hostile one could exhaust the stack."""

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


def read_document(path: Path) -> Any:
    """What a metadata file says, as mappings, lists, texts (or JSON's numbers) and None.

    YAML is built from the parser's events: scalars stay the texts that they are (an artist called ``1975`` or ``No``
    is no number and no bool), tags are refused, and no object is ever made from them.

    Raises:
        InputFileError: naming the file, if it is unreadable, too large, no JSON or YAML, or has YAML tags.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputFileError(f"{path} is larger than {LARGEST_BYTES} bytes; put the song's own metadata there.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputFileError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    except UnicodeDecodeError as error:
        raise InputFileError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    try:
        return json.loads(text) if path.suffix.lower() == ".json" else _yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
        raise InputFileError(f"{path} is not valid {kind} ({_reason(error)}); correct or replace it.") from error


def _yaml(text: str) -> Any:
    events = yaml.parse(text, Loader=_PARSER)
    documents = []
    anchors: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            documents.append(_node(event, events, anchors, 0))
    if len(documents) != 1:
        raise ValueError(f"it holds {len(documents)} documents, not one")
    return documents[0]


def _node(event: Any, events: Iterator[Any], anchors: dict[str, Any], depth: int) -> Any:
    """The value that begins with `event`; takes from `events` what belongs to it."""
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise ValueError(f"the alias '{event.anchor}' refers to nothing before it")
        return anchors[event.anchor]
    if event.tag is not None:
        raise ValueError(f"it has the tag '{event.tag}', which is not read")
    if depth == DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    value: Any
    if isinstance(event, yaml.ScalarEvent):
        value = None if event.implicit[0] and event.value in _NOTHING else event.value
    elif isinstance(event, yaml.SequenceStartEvent):
        value = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            value.append(_node(item, events, anchors, depth + 1))
    else:
        value = {}
        while not isinstance(item := next(events), yaml.MappingEndEvent):
            key = _node(item, events, anchors, depth + 1)
            if not isinstance(key, str):
                raise ValueError("it has a key that is no text")
            value[key] = _node(next(events), events, anchors, depth + 1)
    if event.anchor is not None:
        anchors[event.anchor] = value
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return "it is nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
