"""What would go where, for the eye: folders, sizes, who may see it, licences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import RepoCard
from rich.markup import escape
from rich.tree import Tree

from mixlab.escaping import visible
from mixlab.hub.upload import Upload
from mixlab.models.footprint import readable

FILES_SHOWN = 14
"""Files of one folder that are named; of more only number and size are shown."""


def show(uploads: Sequence[Upload]) -> Tree:
    """A tree of all folders, one repository a branch."""
    root = Tree("[bold]huggingface.co[/bold]")
    for what in uploads:
        data = RepoCard.load(what.folder / "README.md").data.to_dict()
        licence = data.get("license_name") or data["license"]
        named = escape(visible(str(licence)))
        seen = "private" if what.private else "[bold red]public[/bold red]"
        branch = root.add(
            f"[bold]{escape(what.page)}[/bold]  {what.kind}, {seen}, licence {named}, {readable(_size(what.folder))}"
        )
        _grow(branch, what.folder)
    return root


def _grow(branch: Tree, folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files[:FILES_SHOWN]:
        branch.add(f"{escape(visible(path.name))}  [dim]{readable(path.stat().st_size)}[/dim]")
    if more := files[FILES_SHOWN:]:
        branch.add(f"[dim]and {len(more)} files more, {readable(sum(path.stat().st_size for path in more))}[/dim]")
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        count = sum(inner.is_file() for inner in path.rglob("*"))
        sub = branch.add(f"{escape(visible(path.name))}/  [dim]{count} files, {readable(_size(path))}[/dim]")
        if count <= FILES_SHOWN:
            _grow(sub, path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
