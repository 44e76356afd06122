"""What is looked at in a folder before it may go to the Hub: its card, paths of this machine, tokens."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mixlab.errors import InputFileError

TEXT_SUFFIXES = {".json", ".jsonl", ".md", ".py", ".txt", ".yaml", ".jinja", ".csv", ".j2", ".toml"}
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SHORT_DESCRIPTION = 60
"""Characters that the Hub takes."""


def check_card(folder: Path, kind: str) -> None:
    """Check the card of a folder with huggingface_hub's own readers.

    What these check without the Hub: that there is front matter and that it is YAML, that a model-index has every field
    of its results, that the data come back as they were written. The Hub itself also looks whether licences, tags
    and data sets are among those that it knows (`ModelCard.validate`), which it does when a card is uploaded.

    Raises:
        InputFileError: naming the card and what is wrong with it.
    """
    from huggingface_hub import DatasetCard, ModelCard, SpaceCard

    path = folder / "README.md"
    reader: Any = {"model": ModelCard, "dataset": DatasetCard, "space": SpaceCard}[kind]
    try:
        card = reader.load(path, ignore_metadata_errors=False)
        again = reader(f"---\n{card.data.to_yaml()}\n---\n{card.text}", ignore_metadata_errors=False)
        if again.data.to_dict() != card.data.to_dict():
            raise ValueError("its front matter does not come back as it was written")
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputFileError(f"The card {path} is not valid ({first}); correct its front matter.") from error
    if reason := _fault(folder, kind, card.data.to_dict()):
        raise InputFileError(f"The card {path} is not valid ({reason}); correct its front matter.")


def _fault(folder: Path, kind: str, data: Mapping[str, Any]) -> str | None:
    """What is wrong with a front matter, or None."""
    if not data.get("license"):
        return "it names no license"
    link = data.get("license_link")
    if data["license"] == "other" and link and "://" not in link and not (folder / link).is_file():
        return f"its license_link is '{link}', which is not there"
    if kind == "space":
        if not (folder / str(data.get("app_file"))).is_file():
            return f"its app_file is '{data.get('app_file')}', which is not there"
        if data.get("sdk") != "gradio" or not data.get("sdk_version"):
            return "it lacks sdk: gradio with its sdk_version"
        if {data.get("colorFrom"), data.get("colorTo")} - COLORS:
            return f"colorFrom and colorTo have to be of {', '.join(sorted(COLORS))}"
        if len(data.get("short_description", "")) > SHORT_DESCRIPTION:
            return f"its short_description is longer than {SHORT_DESCRIPTION} characters"
    if kind == "dataset":
        for config in data.get("configs", ()):
            for files in config["data_files"]:
                if not (folder / files["path"]).is_file():
                    return f"its data file '{files['path']}' is not there"
    return None


def check_private(folder: Path, places: Collection[Path], token: str | None) -> None:
    """Refuse a folder in whose texts a place of this machine, or the token for the Hub, stands.

    Args:
        places: folders that the publisher works with; the home folder and the one for temporary files are added.

    Raises:
        InputFileError: naming the file; never what was found, where that is the token.
    """
    named = {str(place.expanduser().absolute()) for place in (*places, Path.home(), Path(tempfile.gettempdir()))}
    # A path that is followed by more of it, or ends with the text; the bare "/" stands everywhere.
    found_by = {f"{place}/" for place in named if len(place) > 1} | {
        f'{place}"' for place in named if place.count("/") > 1
    }
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix not in TEXT_SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if token and token in text:
            raise InputFileError(f"{path} holds the token for the Hub; remove it, and make a new one at once.")
        for place in found_by:
            if place in text:
                raise InputFileError(
                    f"{path} names a folder of this machine ('{place[:-1]}'), which says nothing to others; remove it."
                )
