"""Room items: data sets by name, and the bank of items that a configuration describes."""

from __future__ import annotations

import logging
from typing import Any

from mixlab.items.bank import ItemBank
from mixlab.items.drawn import DrawnItems
from mixlab.items.exported import ExportedItems, ExportedSet
from mixlab.items.settings import ItemSettings
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.folder import FolderSource
from mixlab.multitrack.musdb import Musdb18, Musdb18HQ
from mixlab.multitrack.song import MultitrackSource
from mixlab.registry import Choice, Registry

log = logging.getLogger(__name__)

SOURCES: Registry[Any] = Registry("data set", __name__)
"""Data sets by the name that ``dataset.kind`` gives: sources of songs (`MultitrackSource`), and exported items."""
for _source in (DemoSource, FolderSource, Musdb18, Musdb18HQ, ExportedSet):
    SOURCES.add(_source)


def open_dataset(dataset: Choice) -> MultitrackSource | ExportedSet:
    """The source of songs, or the exported data set, that the group `dataset` names.

    Raises:
        MixlabError: naming the key, folder or file that is wrong.
    """
    return dataset.build(SOURCES, "dataset")


def build_bank(settings: ItemSettings, sample_rate: int) -> ItemBank:
    """The bank of items of a run, not yet set up; says so where it trains on other errors than it is evaluated on.

    Args:
        sample_rate: that the model hears.

    Raises:
        MixlabError: as `open_dataset`; if an exported data set was made with other settings.
    """
    dataset = open_dataset(settings.dataset)
    training, asked = settings.error, settings.evaluation.error
    if training.words != asked.words:
        log.warning(
            "Training has %s, validation and test have %s; to ask what is trained, choose evaluation/error as error.",
            training.words,
            asked.words,
        )
    if isinstance(dataset, ExportedSet):
        return ExportedItems(dataset, settings, sample_rate)
    return DrawnItems(dataset, settings, sample_rate)
