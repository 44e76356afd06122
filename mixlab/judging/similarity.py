"""How alike predictions and experts' annotations are, beside annotator against annotator and controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import InputFileError
from mixlab.judging.annotations import Annotation, Answer
from mixlab.judging.controls import Control, Renderings, render_controls
from mixlab.judging.discrimination import Figure, Figures
from mixlab.language.parse import parse
from mixlab.reports.sheets import Line, Sheet, alone, words

Compare = Callable[[Sequence[tuple[str, str]]], Mapping[str, NDArray[np.float64]]]

ROWS = {"predictions": "predictions", "annotators": "annotators, each other", "other_songs": "predictions, other songs"}
"""What is compared with annotations: what was predicted for the item; the annotations themselves, with each other (the
human row); and predictions with another song's, since any two texts about a mix are somewhat alike."""


@dataclass(frozen=True)
class Item:
    """An item with its annotations, and with the text predicted for it if there is one."""

    name: str
    song: str
    category: str
    annotations: Sequence[Annotation]
    answer: Answer | None


@dataclass(frozen=True)
class Similarities:
    """Figures by measure; `means` and `by_category` by the rows of `ROWS`, `aucs` by control."""

    means: Mapping[str, Mapping[str, Figure]]
    by_category: Mapping[str, Mapping[str, Mapping[str, Figure]]]
    aucs: Mapping[str, Mapping[str, Figure]]
    counts: Mapping[str, int]
    items: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """One record an item: its name, song, category and figures."""

    def flat(self) -> dict[str, float]:
        """All figures as ``similarity/predictions/sentence``, ``auc/wrong_direction/token``, ... with intervals."""
        flat = {f"counts/{name}": float(count) for name, count in self.counts.items()}
        groups = {"": self.means, **{f"category={name}/": rows for name, rows in self.by_category.items()}}
        for prefix, rows in groups.items():
            for row, figures in rows.items():
                for measure, figure in figures.items():
                    flat |= figure.flat(f"similarity/{prefix}{row}/{measure}")
        for control, figures in self.aucs.items():
            for measure, figure in figures.items():
                flat |= figure.flat(f"auc/{control}/{measure}")
        return flat

    def sheets(self) -> list[Sheet]:
        """The tables: similarity, by category where there are several, and what each measure tells apart."""
        measures = list(next(iter(self.aucs.values())))
        columns = {**{name: name for name in measures}, "items": "items"}
        sheets = []
        if self.means:
            sheets.append(Sheet("similarity", "Similarity", columns, _lines(self.means)))
        if len(self.by_category) > 1:
            lines = [
                replace(line, label=f"{category}: {line.label}")
                for category, rows in self.by_category.items()
                for line in _lines({row: rows[row] for row in rows if row != "other_songs"})
            ]
            sheets.append(Sheet("by_category", "By category", columns, lines))
        title = "What annotators advise, in our words, above the same with one thing wrong: AUC (0.5: not told apart)"
        lines = [_line(words(control), figures) for control, figures in self.aucs.items()]
        return [*sheets, Sheet("auc", title, columns | {"items": "texts"}, lines)]


def match(answers: Sequence[Answer] | None, annotations: Sequence[Annotation]) -> tuple[list[Item], dict[str, int]]:
    """Annotated items in the order of their names, and how many lines have no partner.

    Without answers all items are there, with nothing predicted.

    Raises:
        InputFileError: if no item has both.
    """
    by_item: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_item[annotation.item].append(annotation)
    by_name = {answer.item_id: answer for answer in answers or ()}
    names = sorted(by_item if answers is None else by_item.keys() & by_name.keys())
    if not names:
        raise InputFileError(
            f"No item has both a prediction (such as '{next(iter(by_name))}') and an annotation (such as "
            f"'{next(iter(by_item))}'); make the field 'item' of annotations the item_id of predictions."
        )
    counts = {
        "items": len(names),
        "predictions_without_annotation": len(by_name.keys() - by_item.keys()),
        "annotated_items_without_prediction": 0 if answers is None else len(by_item.keys() - by_name.keys()),
    }
    return [_item(name, by_item[name], by_name.get(name)) for name in names], counts


def compare_texts(
    items: Sequence[Item], compare: Compare, stems: Sequence[str], counts: Mapping[str, int], resamples: int, seed: int
) -> Similarities:
    """Measure all that there is to compare.

    A text's similarity to an item is the mean over the item's annotators, and the human row the mean over pairs of
    them: a mean does not grow with the number of annotators, as the best of them would.

    Args:
        compare: measures pairs of texts, as `measures.Measures.compare`.
        stems: the stems that an annotation may name where the prediction does not say.
    """
    pairs, owners = _pairs(items)
    found = compare(pairs)
    measured = Figures([item.song for item in items], resamples, seed)
    table = {}
    for row in ROWS:
        places = [place if kind == row else None for kind, place in owners]
        table[row] = {m: _mean_by_owner(values, places, len(items)) for m, values in found.items()}
    used = {row: values for row, values in table.items() if np.isfinite(next(iter(values.values()))).any()}

    def figures(mask: NDArray[np.bool_]) -> dict[str, dict[str, Figure]]:
        return {
            row: {m: measured.mean(np.where(mask, values, np.nan)) for m, values in rows.items()}
            for row, rows in used.items()
        }

    categories = sorted({item.category for item in items})
    aucs, texts = _control_figures(items, compare, stems, resamples, seed)
    return Similarities(
        means=figures(np.ones(len(items), dtype=bool)),
        by_category={c: figures(np.array([item.category == c for item in items])) for c in categories},
        aucs=aucs,
        counts={**counts, "annotations": sum(len(item.annotations) for item in items), "annotations_read": texts},
        items=[
            {"item": item.name, "song": item.song, "category": item.category}
            | {f"{row}/{m}": float(v[i]) for row, rows in used.items() for m, v in rows.items() if np.isfinite(v[i])}
            for i, item in enumerate(items)
        ],
    )


def annotation_controls(annotation: Annotation, answer: Answer | None, stems: Sequence[str]) -> Renderings | None:
    """The annotation's own advice in our words, and its controls; None where it could not be read or moves nothing.

    Where no prediction names the anchor, it is a stem that the annotation does not move.
    """
    known = list(answer.stems) if answer is not None and answer.stems else list(stems)
    advice = parse(annotation.text, known).advice
    if advice is None or advice.is_balanced:
        return None
    free = [stem for stem in known if advice.gain_db(stem) == 0]
    anchor = answer.anchor if answer is not None and answer.anchor else (free or known)[0]
    return render_controls(
        advice, f"{annotation.item} {annotation.annotator}", [stem for stem in known if stem != anchor], anchor
    )


def _item(name: str, annotations: Sequence[Annotation], answer: Answer | None) -> Item:
    song = (answer.song_id if answer is not None else None) or annotations[0].song or name
    category = (answer.prompt_category if answer is not None else None) or annotations[0].category or "all"
    return Item(name, song, category, annotations, answer)


def _pairs(items: Sequence[Item]) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
    """Pairs of texts to compare, and for each the row and the item that it counts for."""
    pairs: list[tuple[str, str]] = []
    owners: list[tuple[str, int]] = []
    for place, item in enumerate(items):
        for a, b in combinations(item.annotations, 2):
            pairs.append((a.text, b.text))
            owners.append(("annotators", place))
        if item.answer is None:
            continue
        following = (items[(place + step) % len(items)] for step in range(1, len(items)))
        other = next((candidate for candidate in following if candidate.song != item.song), None)
        for row, target in (("predictions", item), ("other_songs", other)):
            for annotation in () if target is None else target.annotations:
                pairs.append((item.answer.text, annotation.text))
                owners.append((row, place))
    return pairs, owners


def _mean_by_owner(values: NDArray[np.float64], places: Sequence[int | None], items: int) -> NDArray[np.float64]:
    """The mean of the values of each item, shape (items,); NaN for an item without any."""
    kept = [(place, value) for place, value in zip(places, values, strict=True) if place is not None]
    index = np.array([place for place, _ in kept], dtype=np.intp)
    sums = np.bincount(index, weights=[value for _, value in kept], minlength=items)
    counts = np.bincount(index, minlength=items).astype(np.float64)
    return np.divide(sums, counts, out=np.full(items, np.nan), where=counts > 0)


def _control_figures(
    items: Sequence[Item], compare: Compare, stems: Sequence[str], resamples: int, seed: int
) -> tuple[dict[str, dict[str, Figure]], int]:
    """AUC by control and measure, and how many annotations were read as advice that moves something."""
    texts = [
        (item.song, annotation.text, renderings)
        for item in items
        for annotation in item.annotations
        if (renderings := annotation_controls(annotation, item.answer, stems))
    ]
    measured = Figures([song for song, _, _ in texts], resamples, seed)
    right = compare([(renderings.right, text) for _, text, renderings in texts])
    aucs: dict[str, dict[str, Figure]] = {}
    for control in Control:
        there = np.array([control in renderings.wrong for _, _, renderings in texts], dtype=bool)
        wrong = compare([(renderings.wrong.get(control, ""), text) for _, text, renderings in texts])
        aucs[control] = {m: measured.auc(right[m], np.where(there, wrong[m], np.nan)) for m in right}
    return aucs, len(texts)


def _lines(rows: Mapping[str, Mapping[str, Figure]]) -> list[Line]:
    """Lines of a table, leaving out rows without an item."""
    lines = [_line(ROWS[row], figures) for row, figures in rows.items()]
    return [line for line in lines if line.cells["items"] != alone(0.0)]


def _line(label: str, figures: Mapping[str, Figure]) -> Line:
    cells = {measure: figure.cell for measure, figure in figures.items()}
    return Line(label, {**cells, "items": alone(next(iter(figures.values())).items)})
