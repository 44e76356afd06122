"""Room hub: a data set's card for the Hugging Face Hub, and its description for LLaMA-Factory."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import yaml

from mixlab.escaping import code, fenced, finalize, markdown
from mixlab.items.manifest import MANIFEST, Manifest
from mixlab.items.records import AUDIO_TAG
from mixlab.synthesis.licences import hub_name

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MOVE = [
    ("stem", "string"),
    ("direction", "string"),
    ("gain_db", "float64"),
    ("low_db", "float64"),
    ("high_db", "float64"),
]


def cards() -> Any:
    """The Jinja environment of all cards; a name that a template does not get is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mixlab.hub"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=finalize,
    )
    environment.filters |= {"text": markdown, "code": code, "fenced": fenced}
    return environment


def card(manifest: Manifest) -> str:
    """The README.md of a data set: front matter that the hub and `datasets` read, then what a person should know."""
    songs = manifest.songs.values()
    counts = Counter((str(song["licence"] or "unknown"), bool(song["free"])) for song in songs)
    body = (
        cards()
        .get_template("dataset_card.md.j2")
        .render(
            manifest=manifest,
            manifest_name=MANIFEST,
            audio_tag=AUDIO_TAG,
            source=str(manifest.dataset.get("kind") or manifest.dataset.get("_target_")).rsplit(".", 1)[-1],
            songs=Counter(song["split"] for song in songs),
            licences=[{"name": name, "free": free, "songs": count} for (name, free), count in sorted(counts.items())],
            withheld=sum(manifest.withheld.values()),
            settings=yaml.safe_dump(dict(manifest.settings), sort_keys=False, allow_unicode=True),
            private=manifest.audio != "free" and any(not song["free"] for song in songs),
        )
    )
    return f"---\n{yaml.safe_dump(_front_matter(manifest), sort_keys=False, allow_unicode=True)}---\n\n{body}"


def dataset_info(manifest: Manifest) -> str:
    """The ``dataset_info.json`` that LLaMA-Factory looks for: a data set a split, in its sharegpt format."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    description = {
        f"mixlab_{split}": {
            "file_name": f"{split}.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "audios": "audios"},
            "tags": tags,
        }
        for split in manifest.items
    }
    return json.dumps(description, indent=2) + "\n"


def _front_matter(manifest: Manifest) -> dict[str, Any]:
    licences = [song["licence"] for song in manifest.songs.values()]
    total = sum(manifest.items.values())
    return {
        "pretty_name": "mixlab balance advice",
        "license": hub_name(licences, withheld=any(manifest.withheld.values())),
        "language": ["en"],
        "task_categories": ["audio-text-to-text"],
        "tags": ["audio", "music", "mixing", "mixlab"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}.jsonl"} for split in manifest.items],
            }
        ],
        # Written out, since a split in which every item is balanced, or none has audio, would show no types.
        "dataset_info": {"features": _features()},
    }


def _features() -> list[dict[str, Any]]:
    def columns(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
        return [{"name": name, "dtype": dtype} for name, dtype in pairs]

    return [
        {"name": "id", "dtype": "string"},
        {"name": "messages", "list": columns(("role", "string"), ("content", "string"))},
        {"name": "audios", "list": "string"},
        {
            "name": "labels",
            "struct": [
                {"name": "errors", "list": columns(("stem", "string"), ("error_db", "float64"))},
                {"name": "advice", "list": columns(*MOVE)},
                {"name": "verdict", "dtype": "string"},
            ],
        },
        {"name": "provenance", "dtype": "string"},
    ]
