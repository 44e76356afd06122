"""Room web: parts of the page as HTML, from templates that escape everything that people wrote."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from mixlab.advising.consultation import REASONS
from mixlab.advising.usual import usual
from mixlab.audio.blocks import in_steps
from mixlab.audio.files import read_blocks, read_header, to_mono
from mixlab.escaping import finalize
from mixlab.web.preview import Preview
from mixlab.web.work import Advised, Work

PEAKS = 160
"""Points of a waveform's picture."""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("mixlab.web"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """A part of the page."""
    return _templates().get_template(f"{template}.html.j2").render(**values)


def peaks(path: Path) -> list[float]:
    """The outline of a file: the highest sample of each of `PEAKS` equal parts, at most 1.

    Raises:
        InputFileError: if it cannot be decoded.
    """
    step = max(1, read_header(path).frames // (100 * PEAKS))
    highest: list[NDArray[np.float32]] = []
    for block in in_steps(read_blocks(path), step):
        samples = np.abs(to_mono(block))
        highest.append(np.maximum.reduceat(samples, np.arange(0, samples.size, step)))
    parts = np.array_split(np.concatenate(highest), PEAKS)
    return [round(min(1.0, float(part.max(initial=0.0))), 3) for part in parts]


def waveform(points: list[float]) -> str:
    """The SVG path of an outline, 100 high and `PEAKS` wide, around the middle."""
    upper = " ".join(f"L{x} {50 - 49 * y:.1f}" for x, y in enumerate(points))
    lower = " ".join(f"L{x} {50 + 49 * y:.1f}" for x, y in reversed(list(enumerate(points))))
    return f"M0 50 {upper} {lower} Z"


def balance(advised: Advised, gains_db: Mapping[str, float], genre: str | None) -> list[dict[str, Any]]:
    """For each stem: loudness above the anchor before and after, what is usual, and places in the picture in %."""
    rows: list[dict[str, Any]] = []
    for stem, before_lu in advised.above_lu.items():
        spread = usual().balance.of(genre if genre else "all", advised.summary.anchor, stem)
        band = (
            None
            if spread is None
            else (spread.mean_lu - 2 * spread.deviation_lu, spread.mean_lu + 2 * spread.deviation_lu)
        )
        rows.append({"stem": stem, "before": before_lu, "after": before_lu + gains_db.get(stem, 0.0), "band": band})
    values = [v for row in rows for v in (row["before"], row["after"], *(row["band"] or ()))] or [0.0]
    low, high = min(*values, 0.0) - 2.0, max(*values, 0.0) + 2.0
    for row in rows:
        row["places"] = {name: 100 * (row[name] - low) / (high - low) for name in ("before", "after")}
        row["zero"] = -100 * low / (high - low)
        if row["band"]:
            row["left"], row["width"] = (
                100 * (row["band"][0] - low) / (high - low),
                100 * (row["band"][1] - row["band"][0]) / (high - low),
            )
    return rows


def results(work: Work, ignore_below_db: float) -> str:
    """The advice in words, as a table beside the loudness rule's, by section, and as a picture."""
    advised = work.advised
    if advised is None:
        return ""
    rule = {} if advised.rule is None else {stem.stem: stem for stem in advised.rule.stems}
    gains_db = advised.gains_db(ignore_below_db)
    return render(
        "results",
        lines=advised.text.splitlines(),
        summary=advised.summary,
        rule=rule,
        gains_db=gains_db,
        applied_db=work.applied_db,
        ignore_below_db=ignore_below_db,
        notes=advised.notes,
        genre=work.genre,
        rows=balance(advised, gains_db, work.genre),
        clock=clock,
        reasons=REASONS,
    )


def player(preview: Preview, addresses: Mapping[str, str]) -> str:
    """The players' controls; the script reads addresses and gains from the element."""
    return render(
        "player",
        preview=preview,
        addresses=addresses,
        versions=list(preview.gains_db),
        start=clock(preview.start_s),
        amplitudes={
            version: {role: float(10 ** (gain_db / 20)) for role, gain_db in gains.items()}
            for version, gains in preview.gains_db.items()
        },
    )


def clock(time_s: float) -> str:
    """Minutes and seconds."""
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02d}"
