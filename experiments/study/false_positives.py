"""How often the analysis calls a difference one where none was planted.

    python experiments/study/false_positives.py                     # the ordinal model, 200 studies
    python experiments/study/false_positives.py --model linear      # the fallback's permutation test

Simulates studies in which all systems are alike, of the size that `mixlab study build` makes unless told otherwise,
with the fewest raters that `mixlab study power` tries, and tests every pair of systems in each. Writes
results/<model>_studies.csv (p of each pair in each study, as they come; what is there already is not computed again)
and results/<model>.csv (how many of them are below 0.05).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mixlab.scoring.paired import ALPHA, holm
from mixlab.storage import config_folder
from mixlab.study.fits import Fit, design
from mixlab.study.linear import permutation_p
from mixlab.study.ordinal import NoOrdinalModel
from mixlab.study.power import PERMUTATIONS, null_range, ordinal_fits, simulated_tables
from mixlab.study.settings import Truth

RESULTS = Path(__file__).parent / "results"
SYSTEMS = ("fine_tuned", "zero_shot", "loudness_rule", "human", "do_nothing", "low_anchor")
RATERS, ITEMS, TRIALS = 12, 12, 12
ALL, ANY = "all alike", "any pair, Holm"
TIMEOUT_S = 1800.0


def main() -> None:
    """Simulate, test and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("clmm", "linear"), default="clmm")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--raters", type=int, default=RATERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    assumed = yaml.safe_load((config_folder() / "study" / "truth" / "usual.yaml").read_text(encoding="utf-8"))
    truth = Truth(effects={"effectiveness": dict.fromkeys(SYSTEMS, 0.0)}, **assumed)
    tables = simulated_tables(truth, (given.raters, ITEMS, TRIALS), given.studies, given.seed)
    tests = [f"{a} - {b}" for a, b in combinations(SYSTEMS, 2)]
    given.out.mkdir(parents=True, exist_ok=True)
    log = given.out / f"{given.model}_studies.csv"
    started, rows = time.monotonic(), read_log(log, ["study", *tests, ALL, ANY])
    with log.open("a", encoding="utf-8", newline="") as file:
        for found in p_values(given.model, tables[len(rows) :]):
            csv.writer(file, lineterminator="\n").writerow([len(rows), *(f"{p:.4g}" for p in found)])
            file.flush()
            rows.append(found)
            if len(rows) % 10 == 0:
                print(f"{len(rows)} studies, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    write_counts(given.out / f"{given.model}.csv", [*tests, ALL, ANY], pd.DataFrame(rows[: given.studies]))


def read_log(path: Path, head: Sequence[str]) -> list[list[float]]:
    """The rows of a log that was begun; begins one where there is none."""
    if not path.exists():
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(head)
    return [[float(p) for p in row] for row in pd.read_csv(path).drop(columns="study").to_numpy()]


def p_values(model: str, tables: Sequence[pd.DataFrame]) -> Iterator[list[float]]:
    """Of each study the p of each pair, of all systems alike, and the smallest after Holm's correction; NaN: no fit."""
    if model == "linear":
        for table in tables:
            found = permutation_p(design(table, SYSTEMS), SYSTEMS, PERMUTATIONS)
            # The fallback's test of all systems alike is the smallest p after Holm's correction.
            yield [*found, min(holm(found)), min(holm(found))]
        return
    for fit in ordinal_fits(tables, SYSTEMS, TIMEOUT_S):
        yield of_fit(fit)


def of_fit(fit: Fit | NoOrdinalModel) -> list[float]:
    """The row of a fit."""
    if isinstance(fit, NoOrdinalModel):
        print(f"not fitted: {fit}", file=sys.stderr)
        return [float("nan")] * (len(SYSTEMS) * (len(SYSTEMS) - 1) // 2 + 2)
    return [*(c.p for c in fit.contrasts), fit.p, min(c.p_holm for c in fit.contrasts)]


def write_counts(path: Path, tests: Sequence[str], p: pd.DataFrame) -> None:
    """Write and print, test by test, how many studies were called different, and what chance allows."""
    lines = []
    low, high = null_range(len(p))
    for name, values in zip(tests, p.T.to_numpy(), strict=True):
        hits = int((values < ALPHA).sum())
        verdict = "inside" if low <= hits <= high else "above" if hits > high else "below"
        lines.append([name, len(values), int(np.isnan(values).sum()), hits, low, high, verdict])
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["test", "studies", "not_fitted", "false_positives", "low", "high", "verdict"])
        table.writerows(lines)
    for line in lines:
        print(*line, sep="\t")


if __name__ == "__main__":
    main()
