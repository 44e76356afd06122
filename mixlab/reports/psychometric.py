"""The sheets of the psychometric curves: thresholds and slopes, and d' by the size of the error."""

from __future__ import annotations

from collections.abc import Mapping

from mixlab.reports.sheets import Cell, Line, Sheet, alone
from mixlab.reports.table import label_of
from mixlab.scoring.psychometric import ALL, Curve

COLUMNS = {"items": "items", "threshold_db": "threshold dB", "slope": "slope", "chance": "chance", "missed": "missed"}

CAPTION = (
    "Threshold: the size of which half of what chance does not find is found, stem and direction right, on a logistic "
    "curve over the logarithm of the size (Wichmann and Hill 2001); where its interval leaves the sizes that were "
    "asked, only the side is told, and fewer than 40 errors fix none. Slope: how much the share found grows in a "
    "doubling, where it is steepest. Chance: what balanced mixes show would be found of errors that nobody hears. "
    "Missed: the fitted share that is missed however large the error is."
)
D_PRIME_CAPTION = (
    "z(hits) - z(false alarms): a hit moves the stem at fault (in the lines of all stems, any of them), a false alarm "
    "moves it in a balanced mix. 0 tells nothing apart."
)


def psychometric_sheets(found: Mapping[str, Mapping[str, Curve]]) -> list[Sheet]:
    """Thresholds and slopes, then d' by size, by method and stem; nothing where no error is small."""
    curves = {
        f"{label_of(method)}, {'all stems' if stem == ALL else stem}": curve
        for method, by_stem in found.items()
        for stem, curve in by_stem.items()
    }
    sizes = dict.fromkeys(size.name for curve in curves.values() for size in curve.sizes)
    lines = [Line(label, _cells(curve)) for label, curve in curves.items()]
    told_apart = [
        Line(label, {size.name: size.d_prime for size in curve.sizes}, form="detection_d_prime")
        for label, curve in curves.items()
    ]
    sheets = [
        Sheet("psychometric", "From how many dB on is an error found?", COLUMNS, lines, "method, stem", CAPTION),
        Sheet("psychometric_d_prime", "d' by the size of the error", {name: f"{name} dB" for name in sizes},
              told_apart, "method, stem", D_PRIME_CAPTION),
    ]  # fmt: skip
    return sheets if curves else []


def _cells(curve: Curve) -> dict[str, Cell]:
    return {
        "items": alone(curve.items),
        "threshold_db": curve.threshold_words or curve.threshold_db,
        "slope": curve.slope,
        "chance": alone(curve.chance),
        "missed": alone(curve.missed),
    }
