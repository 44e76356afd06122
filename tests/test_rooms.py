"""A room imports only from floors below it."""

import ast
from pathlib import Path

import pytest

import mixlab

PACKAGE = Path(mixlab.__file__).parent
FLOORS = (
    "errors", "storage", "connections", "serving", "audio", "language", "multitrack", "synthesis", "scoring", "data",
    "models", "pretraining", "evaluation", "judging", "advising", "hub", "tracking", "study", "web",
)  # fmt: skip
"""The rooms of docs/ARCHITECTURE.md, ground floor first; the entry points stand above all of them."""


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("mixlab."):
                yield name.split(".")[1]


@pytest.mark.parametrize("room", FLOORS[4:])
def test_a_room_imports_only_from_floors_below_it(room):
    allowed = {*FLOORS[: FLOORS.index(room) + 1], "config", "config_groups"}
    upward = {
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "__main__.py"  # an entry point, which lies in its room since it has the room's name
        for name in imported_rooms(path)
        if name not in allowed
    }
    assert upward == set()


def test_every_room_is_in_the_picture():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    assert rooms == set(FLOORS) - {"errors", "storage", "connections", "serving"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_thing_and_says_which_room_it_is(path):
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(text.splitlines()) <= 300
    if path.parent != PACKAGE:
        room = path.relative_to(PACKAGE).parts[0]
        assert docstring.startswith(f"Room {room}"), docstring[:40]
