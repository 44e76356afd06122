"""What a judging command leaves: tables on the screen, and its files in the folder of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mixlab.escaping import visible
from mixlab.reports.sheets import Sheet, document
from mixlab.storage import write_whole


def write_results(
    folder: Path,
    name: str,
    sheets: Sequence[Sheet],
    figures: Mapping[str, float],
    notes: Sequence[str],
    lines: Mapping[str, Iterable[Mapping[str, Any]]],
) -> None:
    """Print tables and notes; write them as ``<name>.md``, the figures as ``<name>.json``, and files of JSON lines.

    Args:
        lines: file -> its rows; a file without any is not written.
    """
    write_whole(folder / f"{name}.json", json.dumps(figures, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_whole(folder / f"{name}.md", "\n\n".join([document(sheets).rstrip(), *notes]) + "\n")
    for file, rows in lines.items():
        if text := "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows):
            write_whole(folder / file, text)
    console = Console(width=max(100, Console().width))
    for sheet in sheets:
        console.print(sheet.screen())
    for note in notes:
        console.print(visible(note), markup=False)
    print(f"Written to {folder}")
