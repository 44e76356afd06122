"""A trained model's card for the Hugging Face Hub."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any

import yaml

from mixlab import __version__
from mixlab.errors import ConfigError
from mixlab.hub.card import cards
from mixlab.hub.model_folder import Base, Published
from mixlab.hub.record import METRIC_TYPES, RunRecord
from mixlab.reports.table import columns
from mixlab.settings import Plain

VERSIONS = ("torch", "transformers", "peft", "safetensors", "huggingface_hub")

NON_COMMERCIAL = "non-commercial"
"""Name of the licence of a model whose base or songs allow no commercial use, or are of an unknown licence."""


@dataclass(frozen=True)
class Licences:
    """What may be done with a model, and why.

    Attributes:
        name: of the model's licence, as the Hub names it.
        base: of its base, or None where it is unknown.
        data: of the songs; empty if unknown.
        is_commercial: whether base and songs allow commercial use.
    """

    name: str
    base: str | None
    data: list[str]
    is_commercial: bool


def model_licences(record: RunRecord, base: Base, base_licence: str | None, licence: str | None) -> Licences:
    """The licence of a model: that of its base where the songs allow any use, otherwise a non-commercial one.

    mixlab knows the licence of bases that a folder carries; of a model of the Hub nobody here has read the page.

    Args:
        base_licence, licence: what the publisher says, or None.

    Raises:
        ConfigError: if the model's licence would allow more than base and songs do.
    """
    stated = base_licence or ("apache-2.0" if base.name is None else None)
    restricted = stated is None or any(
        word in stated.lower() for word in ("-nc", "noncommercial", "non-commercial", "research")
    )
    commercial = record.is_free and not restricted
    if licence is not None and not commercial and not any(word in licence for word in ("-nc", NON_COMMERCIAL, "other")):
        hint = ", give base_licence= as the base's card says" if stated is None else ""
        raise ConfigError(
            f"licence is '{licence}', but {'base' if restricted else 'songs'} allow no commercial use or are of "
            f"unknown licence; choose one that forbids it, such as cc-by-nc-4.0{hint}, or leave licence=null."
        )
    name = licence or (stated if commercial and stated is not None else NON_COMMERCIAL)
    return Licences(name, stated, record.data[1], commercial)


def model_card(record: RunRecord, published: Published, licences: Licences, repo: str, dataset: str | None) -> str:
    """The README.md of a model folder.

    Args:
        repo: of the model.
        dataset: repository of the data set that is published with it, or None.
    """
    from huggingface_hub import ModelCard

    description, results = published.description, record.results()
    body = cards().get_template("model_card.md.j2").render(
        repo=repo,
        dataset=dataset,
        record=record,
        published=published,
        base=published.base,
        carried=published.base.name is None,
        description=description,
        licences=licences,
        labels=_layout(),
        data_name=record.data[0],
        sentence=record.first_sentence(),
        table=results.markdown(),
        caption=results.caption,
        protocol=yaml.safe_dump(_protocol(record.config), sort_keys=False, allow_unicode=True),
        training=yaml.safe_dump(_training(record.config), sort_keys=False, allow_unicode=True),
        versions=versions(),
        is_plain=published.base.is_plain and description.family == "qwen2_audio" and not description.readings.shown,
        tiny=description.builder == "tiny",
        sample_rate=published.sample_rate,
    )  # fmt: skip
    return str(ModelCard(f"---\n{_front_matter(record, published, licences, repo, dataset)}\n---\n\n{body}"))


def versions() -> dict[str, str]:
    """What the folder was written with."""
    named = {name: metadata.version(name) for name in VERSIONS}
    return {"mixlab": __version__, "python": platform.python_version(), **named}


def _front_matter(record: RunRecord, published: Published, licences: Licences, repo: str, dataset: str | None) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    base, is_adapter = published.base, published.form == "adapter"
    results = [
        EvalResult(
            task_type="audio-text-to-text",
            task_name="Advice on the balance of a mix",
            dataset_type=dataset or "mixlab",
            dataset_name=record.data[0],
            dataset_split="test",
            metric_type=kind,
            metric_name=f"{columns()[column]} (95 % interval {figure[1]:.3f} to {figure[2]:.3f})",
            metric_value=round(figure[0], 4),
        )
        for column, kind in METRIC_TYPES.items()
        if (figure := record.figure(column)) is not None
    ]
    more: dict[str, Any] = {}
    if base.name is not None:
        more = {"base_model": base.name, "base_model_relation": "adapter" if is_adapter else "finetune"}
        more |= {"base_model_revision": base.revision} if base.revision else {}
    more |= {"license": licences.name}
    if licences.name == NON_COMMERCIAL:
        more |= {"license": "other", "license_name": NON_COMMERCIAL, "license_link": "LICENSE.md"}
    return ModelCardData(
        language="en",
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag="audio-text-to-text",
        tags=["audio", "music", "mixing", "mixlab", *(["lora"] if is_adapter else [])],
        datasets=[dataset] if dataset else None,
        metrics=sorted(set(METRIC_TYPES.values())),
        model_name=repo.split("/")[1],
        eval_results=results,
        **more,
    ).to_yaml()


def licence_text(licences: Licences) -> str | None:
    """The LICENSE.md that a card of a non-commercial model links to; None where the licence is a known one."""
    if licences.name != NON_COMMERCIAL:
        return None
    data = ", ".join(licences.data) or "unknown"
    base = f"under {licences.base}" if licences.base else "of unknown licence (check the base's card)"
    return (
        "# Non-commercial use only\n\nThese weights may be used, changed and passed on for research and other "
        f"non-commercial purposes. They were made from a base {base} and from songs whose licence is: {data}. "
        "Whoever uses them keeps to these licences too.\n"
    )


def _protocol(config: Mapping[str, Plain]) -> dict[str, Plain]:
    kept = ("error", "prompt", "gates", "level", "seed", "items_per_song", "resamples")
    training = {key: config[key] for key in ("anchor", "inputs", "readings", "error", "prompt") if key in config}
    return {"training": training, "test": _some(config["evaluation"], kept)}


def _training(config: Mapping[str, Plain]) -> dict[str, Plain]:
    kept = _some(config, ("seed", "adapter", "loss", "optim"))
    kept["data"] = _some(config["data"], ("segment_s", "batch_size", "examples_per_epoch"))
    kept["trainer"] = _some(config["trainer"], ("max_steps", "precision"))
    return kept


def _some(group: Any, keys: Sequence[str]) -> dict[str, Plain]:
    return {key: group[key] for key in keys if key in group}


def _layout() -> dict[str, str]:
    text = resources.files("mixlab.language").joinpath("data/layout.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))
