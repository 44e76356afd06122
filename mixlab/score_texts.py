"""Floor of the entry points: answers in a file read, scored beside what needs no ears, shown and written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from mixlab.errors import ConfigError, InputFileError
from mixlab.evaluation.mixingbuddy import CANDIDATES, ProtocolTable, protocol_tables, published, screen_tables
from mixlab.evaluation.table import Row, results_table
from mixlab.evaluation.unheard import unheard_rows
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.formats import LabelledTexts, RowFormat, read_texts
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions, score
from mixlab.storage import write_whole


def run(cfg: DictConfig) -> None:
    """Score the file that `cfg` names; prints the tables and writes the figures on the way out."""
    # Read, and refused where it does not fit, before anything is computed.
    out = None if cfg.out is None else Path(cfg.out).expanduser()
    if out is not None and out.is_dir():
        raise ConfigError(f"out is '{cfg.out}', which is a folder; name a file, as in out=scores.json.")
    settings: Any = OmegaConf.to_container(cfg.format, resolve=True)
    kind, protocol = settings.pop("kind"), settings.pop("protocol", None)
    texts = read_texts(Path(cfg.predictions).expanduser(), None if kind == "mixlab" else RowFormat(**settings))
    if all(prediction.problem.prompt_category.has_claim for prediction in texts.predictions):
        raise InputFileError(
            f"{cfg.predictions} has claims in all of its prompts, so that the text alone could give every answer "
            "away; add items without a claim"
        )
    rows = text_rows(texts, cfg.resamples)
    tables = _tables(texts.predictions, cfg) if protocol == "mixingbuddy" else []
    _print(Path(cfg.predictions).name, texts, rows, tables)
    if out is not None:
        figures = flat(rows, texts.read_back)
        for table in tables:
            figures |= table.flat("mixingbuddy")
        write_whole(out, json.dumps(figures, indent=1, sort_keys=True) + "\n")
        print(f"All {len(figures)} figures: {out}")


def text_rows(texts: LabelledTexts, resamples: int) -> list[Row]:
    """The rows of the results: the answers, the reference texts, and methods that hear nothing."""
    rows = [_row("model", "model", texts.predictions, resamples)]
    if not all(reference.problem.prompt_category.has_claim for reference in texts.references):
        rows.append(_row("reference", "control", texts.references, resamples))
    return [*rows, *unheard_rows(texts.predictions, resamples)]


def flat(rows: Sequence[Row], read_back: Sequence[bool]) -> dict[str, float]:
    """Flat figures with the keys of metrics.json; ``reference/read_back`` is the share of reference texts that read
    exactly as their labels."""
    figures: dict[str, float] = {}
    for row in rows:
        prefix = {"model": "test", "reference": "reference"}.get(row.method, f"baselines/{row.method}")
        figures |= row.scores.flat(prefix, with_groups=row.kind != "baseline")
        if row.closed_loop is not None:
            figures |= row.closed_loop.flat("closed_loop" if row.kind == "model" else f"{prefix}/closed_loop")
    if read_back:
        figures["reference/read_back"] = sum(read_back) / len(read_back)
    return figures


def _row(method: str, kind: Any, predictions: Sequence[Prediction], resamples: int) -> Row:
    return Row(method, kind, score(predictions, resamples), closed_loop(predictions, resamples))


def _tables(predictions: Sequence[Prediction], cfg: DictConfig) -> list[ProtocolTable]:
    try:
        return protocol_tables(headline_predictions(predictions))
    except ValueError as error:
        raise ConfigError(f"{cfg.predictions}: {error}; set format.protocol=null.") from None


def _print(name: str, texts: LabelledTexts, rows: Sequence[Row], tables: Sequence[ProtocolTable]) -> None:
    console = Console(width=max(100, Console().width))
    items, songs = rows[0].scores.overall.items, rows[0].scores.overall.songs
    console.print(results_table(rows, f"{name}: {items} items of {songs} songs"))
    unread = sum(prediction.advice is None for prediction in texts.predictions)
    print(f"Not readable as advice: {unread} of {len(texts.predictions)}.")
    if texts.read_back:
        print(f"Reference texts that read exactly as their labels: {sum(texts.read_back)} of {len(texts.read_back)}.")
    for table in screen_tables(tables):
        console.print(table)
    if tables:
        print(f"{CANDIDATES}\nPublished: {published()['source']}, on other items than these.")
