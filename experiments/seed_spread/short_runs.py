"""The sweeps of 600 steps, judged over their runs: python experiments/seed_spread/short_runs.py

Their runs are not kept, only what each scored. So the spread between runs is known, but not what songs add to it. That
lies between nothing and what it would be if the settings had been asked different songs, which the intervals of the
single runs tell; a pair is judged with both, and the greater p counts. Writes results/short_runs.csv and
results/spreads.csv.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import pandas as pd
from scipy.stats import norm

from mixlab.scoring.bootstrap import LEVEL
from mixlab.scoring.over_runs import Part, t_test
from mixlab.scoring.paired import ALPHA, holm

HERE = Path(__file__).parent
SWEEPS = ("adapter_rank", "error_range", "inputs", "objectives", "prompt_category")
"""Of which settings answered the same items."""
ALSO = ("anchor_choice", "anchor_use")
"""Whose seeds tell of the spread, too."""
SCORE, SONGS = "joint_accuracy", 309
REFERENCE = "reference/"
"""Begins the names of the three runs of the main job's settings that several sweeps share."""


def settings_of(sweep: str) -> dict[str, pd.DataFrame]:
    """The runs of each setting, by what was varied."""
    runs = pd.read_csv(HERE.parent / sweep / "results" / "runs.csv")
    if "setting_1" not in runs:
        return {"": runs}
    if sweep == "error_range":
        runs = pd.concat([runs, default_errors()])
    return {str(value): rows for value, rows in runs.groupby("setting_0", sort=False)}


def default_errors() -> pd.DataFrame:
    """The reference runs as the setting `default` of the sweep of errors, which did not run it."""
    runs = pd.read_csv(HERE.parent / "prompt_category" / "results" / "runs.csv")
    return runs[runs["run"].str.startswith(REFERENCE)].assign(setting_0="default")


def between_runs(runs: pd.DataFrame) -> Part:
    """The variance of a setting's mean, as far as it comes from the spread between its runs."""
    return runs[SCORE].var(ddof=1) / len(runs), len(runs) - 1.0


def by_song(runs: pd.DataFrame) -> Part:
    """The variance of a run's score by song, a mean over the runs of a setting, from the widths of their intervals."""
    width = runs[f"{SCORE}_high"] - runs[f"{SCORE}_low"]
    return (width.mean() / (2.0 * norm.ppf((1.0 + LEVEL) / 2.0))) ** 2, SONGS - 1.0


def pairs_of(sweep: str) -> list[dict[str, object]]:
    """Every pair of settings of a sweep, corrected for all of them."""
    found = []
    for (name_a, a), (name_b, b) in combinations(settings_of(sweep).items(), 2):
        difference = a[SCORE].mean() - b[SCORE].mean()
        runs, songs = [between_runs(a), between_runs(b)], [by_song(a), by_song(b)]
        low, high, p = max(t_test(difference, runs), t_test(difference, runs + songs), key=lambda found: found[2])
        shared = any(rows["run"].str.startswith(REFERENCE).any() for rows in (a, b))
        found.append({"sweep": sweep, "a": name_a, "b": name_b, "runs_a": len(a), "runs_b": len(b), "p": p,
                      "difference": difference, "low": low, "high": high, "shares_reference": shared})  # fmt: skip
    for row, corrected in zip(found, holm([row["p"] for row in found]), strict=True):
        row["p_holm"] = corrected
    return found


def main() -> None:
    """Judge and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    out = parser.parse_args().out
    pairs = pd.DataFrame([row for sweep in SWEEPS for row in pairs_of(sweep)])
    pairs["p_holm_all"] = holm(pairs["p"].tolist())
    pairs["different"] = pairs["p_holm"] < ALPHA
    pairs.to_csv(out / "short_runs.csv", index=False, float_format="%.4f")
    spreads = {
        (sweep, name): rows[SCORE] for sweep in (*SWEEPS, *ALSO) for name, rows in settings_of(sweep).items()
        if sweep == "prompt_category" or not rows["run"].str.startswith(REFERENCE).any()
    }  # fmt: skip
    table = pd.DataFrame(
        [{"sweep": sweep, "setting": name, "runs": len(scores), "mean": scores.mean(), "deviation": scores.std(ddof=1)}
         for (sweep, name), scores in spreads.items()]
    )  # fmt: skip
    table.to_csv(out / "spreads.csv", index=False, float_format="%.4f")
    print(pairs.to_string(index=False, float_format="%.3f"))
    print(table.to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
