"""Score anybody's answers in words against their labels, with the parser and the metrics of every mixlab run.

    mixlab score predictions=FILE.jsonl format=mixingbuddy out=FILE.json    the predecessor's files
    mixlab score predictions=RUN/predictions.jsonl                          what a run of mixlab wrote
    mixlab score predictions=FILE.jsonl format=fields format.text=answer format.target=stem ...

format.* says which field holds what; conf/format/fields.yaml explains each. In out= lie flat figures: test/... of the
answers, reference/... of the reference texts, baselines/.../... of what hears nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from mixlab.errors import ConfigError, InputFileError
from mixlab.language.parse import Reading
from mixlab.reports.mixingbuddy import ProtocolTable, about, protocol_tables
from mixlab.reports.table import results_table
from mixlab.reports.unheard import unheard_rows
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.formats import LabelledTexts, RowFormat, read_texts
from mixlab.scoring.metrics import reading_of
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import Row
from mixlab.scoring.scores import headline_predictions, score
from mixlab.settings import FilePath, PositiveCount, Settings
from mixlab.storage import write_whole


class ScoreSettings(Settings):
    """The whole configuration of `mixlab score`."""

    predictions: FilePath
    format: RowFormat
    out: FilePath | None
    resamples: PositiveCount


def main(settings: ScoreSettings) -> None:
    """Score, print the tables and, where asked, write all figures.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is computed.
    """
    out = None if settings.out is None else Path(settings.out).expanduser()
    if out is not None and out.is_dir():
        raise ConfigError(f"out is '{settings.out}', which is a folder; name a file, as in out=scores.json.")
    path = Path(settings.predictions).expanduser()
    texts = read_texts(path, settings.format)
    if _all_claim(texts.predictions):
        raise InputFileError(
            f"{settings.predictions} has claims in all of its prompts, so that the text alone could give every answer "
            "away; add items without a claim"
        )
    rows = text_rows(texts, settings.resamples)
    tables = [] if settings.format.protocol is None else _tables(texts.predictions, settings.predictions)
    _print(path.name, texts, rows, tables)
    if out is not None:
        figures = flat(rows, texts.read_back)
        for table in tables:
            figures |= table.flat(str(settings.format.protocol))
        write_whole(out, json.dumps(figures, indent=1, sort_keys=True) + "\n")
        print(f"All {len(figures)} figures: {out}")


def text_rows(texts: LabelledTexts, resamples: int) -> list[Row]:
    """The rows of the results: the answers, the reference texts, and methods that hear nothing."""
    rows = [_row("model", "model", texts.predictions, resamples)]
    if not _all_claim(texts.references):
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


def _all_claim(predictions: Sequence[Prediction]) -> bool:
    return all(prediction.problem.prompt_category.has_claim for prediction in predictions)


def _row(method: str, kind: Literal["model", "control"], predictions: Sequence[Prediction], resamples: int) -> Row:
    return Row(method, kind, score(predictions, resamples), closed_loop(predictions, resamples))


def _tables(predictions: Sequence[Prediction], path: str) -> list[ProtocolTable]:
    try:
        return protocol_tables(headline_predictions(predictions))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; set format.protocol=null.") from None


def _print(name: str, texts: LabelledTexts, rows: Sequence[Row], tables: Sequence[ProtocolTable]) -> None:
    console = Console(width=max(100, Console().width))
    items, songs = rows[0].scores.overall.items, rows[0].scores.overall.songs
    console.print(results_table(rows, f"{name}: {items} items of {songs} songs"))
    counts = Counter(reading_of(prediction) for prediction in texts.predictions)
    shares = ", ".join(f"{reading.replace('_', ' ')}: {counts[reading]}" for reading in Reading)
    print(f"Of {len(texts.predictions)} answers {shares}.")
    if texts.read_back:
        print(f"Reference texts that read exactly as their labels: {sum(texts.read_back)} of {len(texts.read_back)}.")
    for table in tables:
        console.print(table.sheet().screen())
    if tables:
        print(about())
