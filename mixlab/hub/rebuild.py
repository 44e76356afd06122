"""Room hub: the clips that a data set's licences keep out, made again from one's own copy of the songs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from mixlab.errors import InputFileError
from mixlab.hub.card import card
from mixlab.hub.export import clip_bytes
from mixlab.items.drawn import DrawnItems
from mixlab.items.exported import ExportedSet
from mixlab.items.manifest import MANIFEST, Manifest, describe_file
from mixlab.items.records import Item
from mixlab.storage import disk_errors, write_whole
from mixlab.synthesis.example import Example
from mixlab.synthesis.problem import Problem


def rebuild(exported: ExportedSet, data: DrawnItems) -> Manifest:
    """Make the missing clips of a data set, bit for bit, and enter them in its items.

    Clips that are there already are kept, so a rebuilding that was stopped goes on. The manifest is written last; until
    then the data set is refused as changed.

    Args:
        exported: the data set; its folder is changed.
        data: over the songs, with the settings of the data set.

    Raises:
        InputFileError: if a song is missing or sounds different, or the folder cannot be written.
    """
    manifest, root = exported.manifest, exported.root
    items = {split: exported.items(split) for split in manifest.items}
    files = dict(manifest.files)
    if all(clip.path in files for found in items.values() for item in found for clip in item.clips):
        return manifest
    data.setup()
    _check_songs(root, data, items)
    with disk_errors(root):
        for split, found in items.items():
            for item in track(found, f"Rebuilding {split}", console=Console(stderr=True), transient=True):
                if any(clip.path not in files for clip in item.clips):
                    files |= _rebuilt(root, manifest, item, data.examples.example)
            lines = "".join(replace(item, has_audio=True).to_line() for item in found)
            files[f"{split}.jsonl"] = _written(root / f"{split}.jsonl", lines.encode())
        manifest = replace(manifest, audio="rebuilt")
        files["README.md"] = _written(root / "README.md", card(manifest).encode())
        manifest = replace(manifest, files=files)
        write_whole(root / MANIFEST, manifest.to_text().encode())
    return manifest


def _rebuilt(
    root: Path, manifest: Manifest, item: Item, make: Callable[[Problem], Example]
) -> dict[str, dict[str, Any]]:
    """Make the clips of an item that are not there yet; returns what the manifest says of each."""
    listed: dict[str, dict[str, Any]] = {}
    example = None
    for number, record in enumerate(item.clips):
        path = root / record.path
        if not path.parent.resolve().is_relative_to(root.resolve()) or path.is_symlink():
            raise InputFileError(f"{path} leads out of {root}; copy the data set again, without links.")
        content = path.read_bytes() if path.is_file() else b""
        if describe_file(content)["sha256"] != record.sha256:
            example = example or make(item.problem)
            content = clip_bytes(example.clips[number], manifest.sample_rate, manifest.clips, item.problem.item_id)
            if describe_file(content)["sha256"] != record.sha256:
                raise InputFileError(
                    f"Your copy of '{item.problem.song_id}' does not sound like the one that '{item.problem.item_id}' "
                    f"was made from (with mixlab {item.mixlab}); set dataset and dataset.root to the same songs."
                )
            write_whole(path, content)
        listed[record.path] = describe_file(content)
    return listed


def _check_songs(root: Path, data: DrawnItems, items: Mapping[str, list[Item]]) -> None:
    """Refuse before any work if a song is missing."""
    for split, found in items.items():
        for number, item in enumerate(found, start=1):
            if missing := sorted(set(item.licences) - set(data.store.songs)):
                raise InputFileError(
                    f"{root / split}.jsonl, line {number} needs '{missing[0]}', which is not among your songs; "
                    "set dataset and dataset.root to those that the data set names."
                )


def _written(path: Path, content: bytes) -> dict[str, Any]:
    write_whole(path, content)
    return describe_file(content)
