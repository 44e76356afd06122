"""Print the results of a run as a Markdown table: python experiments/bass_anchor/table.py outputs/bass_anchor/<run>."""

import sys
from collections.abc import Mapping

from mixlab.reports.table import label_of, methods_of
from mixlab.runs.folder import RunFolder

COLUMNS = {
    "joint_accuracy": "joint",
    "model_lead": "model ahead by",
    "direction_accuracy": "direction",
    "balanced_recall": "balanced right",
    "gain_mae_db": "error dB",
    "gain_mae_located_db": "error dB, located",
    "parse_rate": "parsed",
    "verdict_balanced_accuracy": "claims",
    "closed_loop/residual_db": "left over dB",
}


def line(metrics: Mapping[str, float], label: str, prefix: str, loop_prefix: str) -> str:
    """One row: each figure with its 95 % interval where it has one."""
    cells = []
    for column in COLUMNS:
        key = f"{loop_prefix}{column}" if "/" in column else f"{prefix}{column}"
        if key not in metrics:
            cells.append("\N{EN DASH}")
            continue
        digits = 2 if key.endswith("_db") else 3
        low, high = metrics.get(f"{key}_low"), metrics.get(f"{key}_high")
        sign = "+" if column == "model_lead" else ""
        shown = f"{metrics[key]:{sign}.{digits}f}"
        with_interval = low is not None and high is not None and low != high
        cells.append(f"{shown} ({low:{sign}.{digits}f}\N{EN DASH}{high:{sign}.{digits}f})" if with_interval else shown)
    return f"| {label} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables of the test songs and, where there are any, of the shifted ones."""
    metrics = RunFolder(sys.argv[1]).metrics
    for split, lead in (("test", ""), ("shifted", "shifted/")):
        if f"{split}/joint_accuracy" not in metrics:
            continue
        items, songs = int(metrics[f"{split}/items"]), int(metrics[f"{split}/songs"])
        print(f"\nSplit `{split}`, {items} headline items of {songs} songs:\n")
        print("| method | " + " | ".join(COLUMNS.values()) + " |")
        print("|---|" + "---:|" * len(COLUMNS))
        print(line(metrics, "**model**", f"{split}/", lead))
        for name in methods_of(metrics, split)[1:]:
            prefix = f"{lead}baselines/{name}/"
            print(line(metrics, label_of(name), prefix, prefix))


if __name__ == "__main__":
    main()
