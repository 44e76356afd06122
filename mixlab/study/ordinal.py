"""Cumulative-link mixed models, fitted by R's package ordinal in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mixlab.study.fits import Fit, contrasts, degrees_of_freedom, design, wald_f
from mixlab.study.settings import Kind

SCRIPT = Path(__file__).with_name("clmm.R")
CHECK_S = 60.0
"""How long R may take to say whether the package is there."""


class NoOrdinalModel(Exception):
    """R, its package or a fit is not to be had; the message says why, as a part of a sentence."""


def find_rscript() -> str:
    """The path of Rscript, where its package ordinal is installed.

    Raises:
        NoOrdinalModel: if either is missing.
    """
    program = shutil.which("Rscript")
    if program is None:
        raise NoOrdinalModel("Rscript is not on the PATH")
    ask = 'quit(status = as.integer(!requireNamespace("ordinal", quietly = TRUE)))'
    if _run([program, "--vanilla", "-e", ask], CHECK_S).returncode:
        raise NoOrdinalModel("R's package 'ordinal' is not installed")
    return program


def fit_ordinal(
    tables: Mapping[str, pd.DataFrame], systems: Sequence[str], timeout_s: float
) -> dict[str, Fit | NoOrdinalModel]:
    """Fit a model to each table of ratings, all in one process of R.

    Random effects are participants, items, advice (one system on one item) and taste (one participant on one system),
    as far as the data have several ratings of each. Systems that a table lacks are left out of its fit.

    Args:
        tables: name -> rows with ``rating``, ``system``, ``participant`` and ``item``.
        systems: the order of the contrasts.
        timeout_s: for all together.

    Returns:
        Name -> its fit, or why there is none.

    Raises:
        NoOrdinalModel: if R or the package is missing, fails as a whole, or takes too long.
    """
    program = find_rscript()
    prepared = {name: design(table, systems) for name, table in tables.items()}
    with tempfile.TemporaryDirectory(prefix="mixlab-clmm-") as folder:
        data, results = Path(folder) / "data.csv", Path(folder) / "results.csv"
        frames = [table.assign(fit=f"fit {number}") for number, table in enumerate(prepared.values())]
        pd.concat(frames).to_csv(data, index=False)
        done = _run([program, "--vanilla", str(SCRIPT), str(data), str(results)], timeout_s)
        if done.returncode or not results.is_file():
            raise NoOrdinalModel(f"R failed ({' '.join(done.stderr.split())[-300:] or 'without a message'})")
        found = pd.read_csv(results, keep_default_na=False, na_values={"value": ["NA"]})
    return {
        name: _fit(found[found["fit"] == f"fit {number}"], table, systems)
        for number, (name, table) in enumerate(prepared.items())
    }


def _fit(rows: pd.DataFrame, table: pd.DataFrame, systems: Sequence[str]) -> Fit | NoOrdinalModel:
    errors = rows[rows["what"] == "error"]
    if len(errors):
        return NoOrdinalModel(f"clmm failed ({errors['text'].iloc[0]})")
    present = [name for name in systems if name in set(table["system"])]
    estimates, covariance = np.zeros(len(present)), np.zeros((len(present), len(present)))
    for row in rows[rows["what"].isin(("estimate", "covariance"))].itertuples():
        if row.what == "estimate":
            estimates[present.index(str(row.a))] = row.value
        else:
            covariance[present.index(str(row.a)), present.index(str(row.b))] = row.value
    spreads = {str(row.a): float(row.value) for row in rows[rows["what"] == "sd"].itertuples()}
    freedom = degrees_of_freedom(table)
    p = wald_f(estimates[1:], covariance[1:, 1:], freedom)
    return Fit(Kind.CLMM, contrasts(present, estimates, covariance, freedom), p, spreads, len(table))


def _run(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise NoOrdinalModel(f"R took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise NoOrdinalModel(f"Rscript cannot be run ({error.strerror})") from None
