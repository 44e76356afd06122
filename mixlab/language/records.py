"""Room language: JSON in a response said in words, so that one reader reads both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mixlab.language.items import read_items
from mixlab.language.lexicon import Kind, word_set

_OPENING = re.compile(r"[\[{]")
_FIELD = re.compile(r"[ \t*>-]*([A-Za-z][^\n:=]{0,30})[:=][ \t*]*([^\n]{1,60})")
_ATTEMPTS = 4
"""How many brackets of a text are tried; what stands in others is no data."""
_DIRECTIONS = (Kind.RAISE, Kind.LOWER, Kind.LOUDER, Kind.QUIETER, Kind.LOUD, Kind.QUIET, Kind.WEAK_LOWER)


def in_words(text: str, stems: Sequence[str]) -> str:
    """The text with each JSON object or array in it as sentences: ``{"vocals": 3}`` as "vocals: +3 dB."."""
    parts, place = [], 0
    for _ in range(_ATTEMPTS):
        found = _OPENING.search(text, place)
        if found is None:
            break
        start = found.start()
        try:
            value, end = json.JSONDecoder().raw_decode(text, start)
            sentences = list(_sentences(value, stems, ""))
        except (ValueError, RecursionError):
            parts.append(text[place : start + 1])
            place = start + 1
            continue
        parts.append(text[place:start] + "\n" + "".join(f"{sentence}.\n" for sentence in sentences))
        place = end
    return _stems_first("".join(parts) + text[place:], stems)


def _stems_first(text: str, stems: Sequence[str]) -> str:
    """The text with the stem of a record in lines before its other fields: "Action: raise\nStem: bass"."""
    lines = text.split("\n")
    start, keys = 0, set[str]()
    for place, line in enumerate(lines):
        field = _FIELD.fullmatch(line)
        key = field[1].strip("* ").lower() if field else ""
        if field is None or key in keys or _is_stem(key, stems):
            start, keys = place + (field is None), set()
        if field is not None and _is_stem(field[2].strip("* ."), stems):
            lines.insert(start, lines.pop(place))
            start += 1
        keys.add(key)
    return "\n".join(lines)


def _sentences(value: Any, stems: Sequence[str], stem: str) -> Iterator[str]:
    """What a value says, a sentence at a time; `stem` is the name that it stands under, if any."""
    if isinstance(value, Mapping):
        own = {key: said for key, said in value.items() if not isinstance(said, Mapping | list)}
        named = {key for key in own if _is_stem(key, stems)}
        yield from (f"{key}: {_scalar(own[key], False)}" for key in own if key in named)
        record = _record({key: said for key, said in own.items() if key not in named}, stems)
        if record:
            yield f"{stem}: {record}" if stem else record
        for key, said in value.items():
            if key not in own:
                yield from _sentences(said, stems, key if _is_stem(key, stems) else stem)
    elif isinstance(value, list):
        for part in value:
            yield from _sentences(part, stems, stem)
    elif isinstance(value, str):
        yield f"{stem}: {value}" if stem else value


def _record(fields: Mapping[str, Any], stems: Sequence[str]) -> str:
    """The fields of one move in one sentence; of numbers only those whose names say that they are gains."""
    words = [said for said in fields.values() if isinstance(said, str) and said.lower() not in ("none", "null", "n/a")]
    has_direction = any(item.has(*_DIRECTIONS) for said in words for item in read_items(said, tuple(stems)))
    words += [key for key, said in fields.items() if said is True]
    gains = [
        _scalar(said, has_direction)
        for key, said in fields.items()
        if _is_number(said) and not word_set("gain_keys").isdisjoint(re.split(r"[^a-z]+", key.lower()))
    ]
    return ", ".join([" ".join(words), *gains] if words else gains)


def _scalar(value: Any, has_direction: bool) -> str:
    if not _is_number(value):
        return str(value)
    return f"{value:g} dB" if has_direction or value == 0 else f"{value:+g} dB"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6


def _is_stem(name: str, stems: Sequence[str]) -> bool:
    items = read_items(name, tuple(stems))
    return len(items) == 1 and items[0].has(Kind.STEM)
