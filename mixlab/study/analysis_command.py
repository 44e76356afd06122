"""Means, models and agreement of a study's ratings, with intervals, on a page and as CSV.

    mixlab study analyse data=results/first
    mixlab study analyse data=results/first runs='{fine_tuned: studies/first/predictions/fine_tuned.jsonl}'
    mixlab study analyse data=results/first judge='{fine_tuned: <folder of mixlab judge>}'
    mixlab study analyse data=results/first plan.model=clmm       an error instead of the fallback

The primary model is a cumulative-link mixed model with effects of participants, items, advice and taste, fitted by R's
package ordinal (Debian: r-base-core and r-cran-ordinal). Without it a linear mixed model with permutation tests stands
in, and is called the fallback wherever its figures stand. Everything is given with and without the participants that
the rules of `plan` exclude. Answers of simulated raters are called SIMULATED throughout. Writes analysis.html,
analysis.json, tables.md and a CSV file a table.
"""

from __future__ import annotations

from pathlib import Path

from mixlab.errors import require
from mixlab.settings import FilePath, Settings
from mixlab.study.settings import Fitting, Name, Plan


class AnalyseSettings(Settings):
    """The whole configuration of `mixlab study analyse`."""

    plan: Plan
    fitting: Fitting
    data: FilePath
    runs: dict[Name, FilePath] | None
    judge: dict[Name, FilePath] | None
    out: FilePath | None


def main(settings: AnalyseSettings) -> None:
    """Read, analyse, write, and say what came of it.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is computed wherever that can be known.
    """
    require_analysis()
    from mixlab.study.analysis import analyse
    from mixlab.study.analysis_page import summary, write_analysis
    from mixlab.study.answers import read_answers

    folder = Path(settings.data).expanduser()
    analysis = analyse(read_answers(folder), settings.plan, settings.fitting, settings.runs, settings.judge)
    out = folder / "analysis" if settings.out is None else Path(settings.out).expanduser()
    write_analysis(out, analysis)
    print(summary(analysis))
    for rule, names in analysis.excluded.by_rule.items():
        print(f"Excluded, {rule}: {len(names)} of {len(analysis.everyone_answers.participants)}.")
    print(f"Written to {out}")


def require_analysis() -> None:
    """Raise ConfigError, naming the extra, unless what an analysis needs is installed."""
    require("The analysis", "study", "krippendorff", "pandas", "statsmodels")
