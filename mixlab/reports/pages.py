"""The frame of all pages: one Jinja environment, one page of sheets and drawings, and what demo songs can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.escaping import finalize
from mixlab.reports.sheets import Sheet, write_sheets
from mixlab.storage import write_whole

DEMO_STATEMENT = (
    "These are demo songs, composed and rendered by mixlab. Demo songs show that the framework works; "
    "only music can show that a language model helps to mix."
)


def pages() -> Any:
    """The Jinja environment of all pages: what is filled in is text and never markup."""
    from jinja2 import Environment, PackageLoader

    return Environment(
        loader=PackageLoader("mixlab.reports"), autoescape=True, finalize=finalize, trim_blocks=True, lstrip_blocks=True
    )


def write_page(path: Path, template: str, drawings: Mapping[str, str], **values: Any) -> Path:
    """Fill in a template and write the page, which appears whole or not at all; returns its path.

    Args:
        drawings: SVG elements by the name that the template has for them.
        values: for the template, as text.
    """
    from markupsafe import Markup

    drawn = {name: Markup(drawing) for name, drawing in drawings.items()}
    write_whole(path, pages().get_template(template).render(drawings=drawn, **values))
    return path


def write_sheets_page(
    path: Path, title: str, sheets: Sequence[Sheet], drawings: Mapping[str, str], statements: Sequence[str] = ()
) -> Path:
    """Write sheets as a page, and as files into ``tables/`` beside it; returns the page.

    Args:
        drawings: SVG elements by the name of the sheet that they belong to; others stand first, by their captions.
        statements: sentences above the sheets.

    Raises:
        StorageError: naming the folder, where nothing can be written.
    """
    write_sheets(path.parent / "tables", sheets)
    return write_page(path, "sheets.html.j2", drawings, title=title, sheets=sheets, statements=statements)
