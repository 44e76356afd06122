"""the rows of a file with one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixlab.errors import InputFileError


def json_rows(path: str | Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with the numbers of their lines, counted from one; empty lines are skipped.

    Args:
        path: of the file.
        what: what it should hold, in words, such as "predictions".

    Raises:
        InputFileError: if it cannot be read, or naming the line that is no JSON object.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InputFileError(f"cannot read {what} from {path}: {reason}; name a file of JSON lines") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise InputFileError(f"{path}, line {number} is not JSON ({reason}); correct or remove the line") from error
        if not isinstance(row, dict):
            raise InputFileError(f"{path}, line {number} is not a JSON object but {line[:40]!r}; correct or remove it")
        yield number, row
