"""How far people's ratings go along with automatic metrics and with a language model as judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mixlab.errors import InputFileError
from mixlab.reports.sheets import Figure
from mixlab.runs.folder import predictions_at
from mixlab.scoring.bootstrap import SongBootstrap, percentile_interval, rank_correlation
from mixlab.scoring.closed_loop import off_db, residuals_db
from mixlab.scoring.derived import CALIBRATION_PARTS
from mixlab.scoring.metrics import outcomes
from mixlab.scoring.rows import json_rows

JUDGE = "judge"
"""What the names of a judge's scores begin with."""

PARTS = (*CALIBRATION_PARTS, "set_advised", "set_needed")
"""Outcomes that are parts of figures and say nothing of one piece of advice."""

FEWEST = 4
"""Pieces of advice below which no correlation is given."""


def advice_means(main: pd.DataFrame) -> pd.DataFrame:
    """Mean rating of each piece of advice: columns ``item``, ``system`` and one for each criterion."""
    table = main.pivot_table(index=["item", "system"], columns="criterion", values="rating", aggfunc="mean")
    return table.reset_index()


def level_metrics(main: pd.DataFrame) -> pd.DataFrame:
    """What the export itself says of each piece of advice, on the stem at fault.

    ``gain_error_db`` is the distance of the advised from the needed gain, ``right_direction`` 1 where both have one
    sign.
    """
    rows = main.drop_duplicates(["item", "system"])[["item", "system", "true_gain_db", "advised_gain_db"]]
    error = (rows["advised_gain_db"] - rows["true_gain_db"]).abs()
    right = (np.sign(rows["advised_gain_db"]) == np.sign(rows["true_gain_db"])).astype(float)
    right[error.isna()] = np.nan
    return rows[["item", "system"]].assign(gain_error_db=error, right_direction=right)


def prediction_metrics(runs: Mapping[str, str]) -> pd.DataFrame:
    """Every outcome of `mixlab.scoring.metrics` for the predictions of some systems, and the closed loop's.

    ``left_over_db`` is what is wrong with the balance once the advice has been followed, ``improvement_db`` how much
    less that is than before.

    Args:
        runs: system -> its run folder or predictions.jsonl.

    Raises:
        InputFileError: naming the file that cannot be read.
    """
    tables = []
    for system, path in runs.items():
        predictions = predictions_at(path)
        found = pd.DataFrame(outcomes(predictions)).drop(columns=list(PARTS)).dropna(axis=1, how="all")
        after_db = residuals_db(predictions)
        before_db = np.array([off_db(p.problem) for p in predictions])
        found = found.assign(left_over_db=after_db, improvement_db=before_db - after_db)
        tables.append(found.assign(item=[p.problem.item_id for p in predictions], system=system))
    return pd.concat(tables) if tables else pd.DataFrame(columns=["item", "system"])


def judge_scores(judged: Mapping[str, str]) -> pd.DataFrame:
    """A judge's mean score of each piece of advice over its draws: ``item``, ``system`` and ``judge_<criterion>``.

    Args:
        judged: system -> the folder of `mixlab judge` for that system's run, or its scores.jsonl.

    Raises:
        InputFileError: naming the file that cannot be read or holds no scores of a model's text.
    """
    rows: list[dict[str, object]] = []
    for system, path in judged.items():
        file = Path(path).expanduser()
        file = file / "scores.jsonl" if file.is_dir() else file
        before = len(rows)
        for number, row in json_rows(file, "a judge's scores"):
            if row.get("subject") != "model" or row.get("answer") is None:
                continue
            try:
                scores = {f"{JUDGE}_{c}": float(v) for c, v in row["answer"].items() if c != "reason"}
                rows.append({"item": str(row["item"]), "system": system, **scores})
            except (KeyError, TypeError, ValueError, AttributeError):
                raise InputFileError(
                    f"{file}, line {number} is no score of a judge; give the folder that `mixlab judge` wrote."
                ) from None
        if len(rows) == before:
            raise InputFileError(f"{file} holds no scores of the model's advice; let `mixlab judge` judge that run.")
    if not rows:
        return pd.DataFrame(columns=["item", "system"])
    return pd.DataFrame(rows).groupby(["item", "system"], as_index=False).mean()


def correlations(
    ratings: pd.DataFrame, metrics: pd.DataFrame, resamples: int, seed: int
) -> dict[str, dict[str, Figure]]:
    """Metric -> criterion -> Spearman's rank correlation over pieces of advice; the interval draws items.

    Args:
        ratings: of `advice_means`.
        metrics: ``item``, ``system`` and one column a metric.
    """
    names = [column for column in metrics if column not in ("item", "system")]
    table = ratings.merge(metrics, on=["item", "system"])
    found: dict[str, dict[str, Figure]] = {}
    for name in names:
        for criterion in (column for column in ratings if column not in ("item", "system")):
            rows = table[[name, criterion, "item"]].dropna()
            if len(rows) < FEWEST:
                continue
            x, y = rows[name].to_numpy(np.float64), rows[criterion].to_numpy(np.float64)
            value = float(rank_correlation(x, y, np.ones((1, len(rows))))[0])
            if np.isfinite(value):
                drawn = SongBootstrap(rows["item"].tolist(), resamples, seed).rank_correlations(x, y)
                found.setdefault(name, {})[criterion] = (value, *percentile_interval(drawn))
    return found
