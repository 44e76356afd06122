"""Room items: the manifest of an exported data set: how its items were made, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mixlab.errors import InputFileError
from mixlab.multitrack.song import STEMS
from mixlab.registry import names_code
from mixlab.settings import Plain

MANIFEST = "mixlab_export.json"
FORMAT = 1
"""Raise it when items or manifest change so that an older reader would misread them."""


@dataclass(frozen=True)
class Manifest:
    """What an export says of itself; it is written last, so a folder with one is whole.

    Attributes:
        mixlab: version that made it.
        dataset: the songs' source: target and arguments, without places on anybody's disk.
        source_key: hash of everything that decides the songs' audio.
        settings: every part of the configuration that decides the items, by group.
        seed: of the training items; that of the others is ``settings.evaluation.seed``.
        sample_rate: of the clips, in Hz.
        clips: sample format of the clips, ``float32`` or ``pcm24``.
        audio: ``free`` where only songs with a free licence have clips, ``all`` where all have, ``rebuilt`` where the
            missing clips were made anew from somebody's own songs.
        train_items: number of training items that was asked for.
        items: number of items by split.
        withheld: number of items without clips by split, as exported.
        dropped: how many songs and segments each gate dropped, by split.
        songs: split, genre, licence and whether the licence is free, by song.
        balance_db: typical balance of each genre where it is known (demo songs), else None.
        sigma_db: how far songs deviate from it.
        files: size in bytes and SHA-256 of every other file, by path below the folder.
        roles: that stems can have; exports of before data sets stated theirs have the usual four.
    """

    mixlab: str
    dataset: Mapping[str, Any]
    source_key: str
    settings: Mapping[str, Plain]
    seed: int
    sample_rate: int
    clips: str
    audio: str
    train_items: int
    items: Mapping[str, int]
    withheld: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, int]]
    songs: Mapping[str, Mapping[str, Any]]
    balance_db: Mapping[str, Mapping[str, float]] | None
    sigma_db: float | None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT
    roles: Sequence[str] = STEMS

    def to_text(self) -> str:
        """The manifest as JSON text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_MANIFEST = TypeAdapter(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an exported data set.

    Raises:
        InputFileError: naming the folder or file, if there is none, or none that this version reads.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputFileError(
            f"{folder} holds no {MANIFEST}, so it is no finished export; give a folder that mixlab export wrote."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found = record["format"]
        if found != FORMAT:
            raise InputFileError(f"{path} has format {found!r}, and this version reads {FORMAT}; export again with it.")
        if {*record, "roles"} != {entry.name for entry in fields(Manifest)}:
            raise ValueError("other keys than a manifest has")
        if reason := names_code(record["settings"], "settings"):
            raise InputFileError(f"{path} {reason}")
        if outside := [name for name in record["files"] if ".." in Path(name).parts or Path(name).is_absolute()]:
            raise ValueError(f"its file {outside[0]!r} leads out of the folder")
        return _MANIFEST.validate_python(record)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputFileError(f"{path} cannot be read as a manifest ({reason}); copy the folder again.") from error


def describe_file(content: bytes) -> dict[str, Any]:
    """Size in bytes and SHA-256, as a manifest lists them."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def check_file(folder: Path, path: str, manifest: Manifest) -> None:
    """Check that a file beside the clips is as it was exported.

    Raises:
        InputFileError: naming the file.
    """
    try:
        as_exported = describe_file((folder / path).read_bytes()) == manifest.files.get(path)
    except OSError as error:
        raise InputFileError(f"{folder / path} cannot be read ({error.strerror}); copy the export again.") from error
    if not as_exported:
        raise InputFileError(f"{folder / path} is not as it was exported (its SHA-256 differs); copy the export again.")
