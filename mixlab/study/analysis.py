"""The analysis of a study: exclusions, models, means, agreement and correlations, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixlab.errors import ConfigError
from mixlab.judging.agreement import Agreement, agreement
from mixlab.reports.sheets import Figure
from mixlab.study.answers import Answers
from mixlab.study.averages import krippendorff_alpha, preference_shares, system_means
from mixlab.study.coding import READ, kappas
from mixlab.study.correlations import advice_means, correlations, judge_scores, level_metrics, prediction_metrics
from mixlab.study.exclusions import Exclusions, exclusions
from mixlab.study.fits import Fit
from mixlab.study.linear import fit_linear
from mixlab.study.ordinal import NoOrdinalModel, fit_ordinal
from mixlab.study.settings import Fitting, Kind, Plan

Means = Mapping[str, Mapping[str, Figure | None]]
Correlations = Mapping[str, Mapping[str, Figure]]
Named = Mapping[str, str]
"""System -> a folder or file."""


@dataclass(frozen=True)
class Part:
    """What is computed twice: with and without the participants that the rules exclude.

    Attributes:
        answers: of those who count here.
        fits: criterion -> its model.
        means: system -> criterion -> mean points.
        alphas: criterion -> Krippendorff's alpha, None where it cannot be told.
    """

    answers: Answers
    fits: Mapping[str, Fit]
    means: Means
    alphas: Mapping[str, Figure | None]


@dataclass(frozen=True)
class Analysis:
    """All results; `everyone` is None where nobody was excluded.

    Attributes:
        kept: without those excluded; what counts.
        strata: playback -> system -> criterion -> mean points.
        preferences: pair -> share that prefers the first, and comparisons.
        repeats: criterion -> agreement of trials with their hidden repeats.
        coding: code -> comments that both coders have read, and Cohen's kappa; None where it has no value.
        metrics: metric -> criterion -> rank correlation, over all systems.
        metrics_runs: the same over the systems whose predictions or judgements were given.
    """

    plan: Plan
    excluded: Exclusions
    everyone_answers: Answers
    kept: Part
    everyone: Part | None
    strata: Mapping[str, Means]
    preferences: Mapping[tuple[str, str], tuple[Figure, int]]
    repeats: Mapping[str, Agreement]
    coding: Mapping[str, tuple[int, float | None]]
    metrics: Correlations
    metrics_runs: Correlations

    @property
    def criteria(self) -> list[str]:
        """The primary one first."""
        return in_order(self.kept.answers, self.plan)

    @property
    def is_simulated(self) -> bool:
        return self.everyone_answers.is_simulated


def in_order(answers: Answers, plan: Plan) -> list[str]:
    """The criteria that were rated, the primary one first."""
    return sorted(answers.criteria, key=lambda name: name != plan.primary)


def analyse(
    answers: Answers, plan: Plan, fitting: Fitting, runs: Named | None = None, judged: Named | None = None
) -> Analysis:
    """Analyse a study.

    Args:
        runs: system -> its run, whose metrics are correlated with ratings.
        judged: system -> the folder that `mixlab judge` wrote for its run.

    Raises:
        ConfigError: if the plan names a criterion or system that nobody rated, or a model that cannot be had, or if all
            participants would be excluded.
        InputFileError: if predictions or a judge's scores cannot be read.
    """
    _check(answers, plan)
    metrics, named = _metrics(answers, runs or {}, judged or {})
    excluded = exclusions(answers, plan.exclusions)
    kept = answers.without(excluded.participants)
    if kept.main.empty or len(kept.systems) < 2:
        raise ConfigError(
            f"plan.exclusions leaves {len(kept.participants)} of {len(answers.participants)} participants, too few to "
            "compare two systems; loosen the rules, and report that as a deviation from the plan."
        )
    cases = {"kept": kept} | ({"everyone": answers} if excluded.participants else {})
    fits = fit_all(cases, plan, fitting)
    parts = {name: _part(case, fits[name], fitting) for name, case in cases.items()}
    means = advice_means(kept.main)
    of_runs = means[means["system"].isin(named)]
    resamples, seed = fitting.resamples, fitting.seed
    strata = {
        name: system_means(kept.main[kept.main["playback"] == name], kept.systems, kept.criteria, resamples, seed)
        for name in sorted(set(kept.main["playback"]))
    }
    preferences = preference_shares(kept.preferences, resamples, seed)
    found = correlations(means, metrics, resamples, seed)
    found_runs = correlations(of_runs, metrics, resamples, seed) if named else {}
    return Analysis(
        plan, excluded, answers, parts["kept"], parts.get("everyone"), strata, preferences, _repeats(kept),
        _coding(answers.codes), found, found_runs,
    )  # fmt: skip


def fit_all(cases: Mapping[str, Answers], plan: Plan, fitting: Fitting) -> dict[str, dict[str, Fit]]:
    """Case -> criterion -> its model: the ordinal one, or where that is not to be had, the linear one, which says why.

    Raises:
        ConfigError: if the plan insists on the ordinal model and it is not to be had.
    """
    tables = {
        (case, criterion): answers.main[answers.main["criterion"] == criterion]
        for case, answers in cases.items()
        for criterion in in_order(answers, plan)
    }
    tables = {key: table for key, table in tables.items() if table["system"].nunique() > 1}
    systems = next(iter(cases.values())).systems
    found: dict[tuple[str, str], Fit | NoOrdinalModel]
    if plan.model is Kind.LINEAR:
        found = dict.fromkeys(tables, NoOrdinalModel(""))
    else:
        names = {f"{case}/{criterion}": table for (case, criterion), table in tables.items()}
        try:
            found = dict(zip(tables, fit_ordinal(names, systems, fitting.timeout_s).values(), strict=True))
        except NoOrdinalModel as error:
            found = dict.fromkeys(tables, error)
    fits: dict[str, dict[str, Fit]] = {case: {} for case in cases}
    for (case, criterion), fit in found.items():
        if isinstance(fit, NoOrdinalModel):
            if plan.model is Kind.CLMM:
                raise ConfigError(
                    f"The key 'plan.model' is clmm, but {fit}; install R and r-cran-ordinal, raise "
                    "fitting.timeout_s, or set plan.model=auto for the linear fallback."
                )
            fit = fit_linear(tables[case, criterion], systems, fitting.permutations, fitting.seed, str(fit))
        fits[case][criterion] = fit
    return fits


def _check(answers: Answers, plan: Plan) -> None:
    if plan.primary not in answers.criteria:
        raise ConfigError(
            f"The key 'plan.primary' is '{plan.primary}', but rated were {', '.join(answers.criteria)}; name one."
        )
    if missing := [name for name in plan.pair if name not in answers.systems]:
        raise ConfigError(
            f"The key 'plan.pair' names '{missing[0]}', but rated were {', '.join(answers.systems)}; name two of them."
        )


def _metrics(answers: Answers, runs: Named, judged: Named) -> tuple[pd.DataFrame, set[str]]:
    """What each piece of advice has beside its ratings, and the systems of which the export does not say all."""
    named = {*runs, *judged}
    if unknown := sorted(named - set(answers.systems)):
        raise ConfigError(
            f"The keys 'runs' and 'judge' name '{unknown[0]}', but rated were {', '.join(answers.systems)}; name those."
        )
    table = level_metrics(answers.main)
    for more in (prediction_metrics(runs), judge_scores(judged)):
        table = table.merge(more, on=["item", "system"], how="left")
    return table, named


def _part(answers: Answers, fits: Mapping[str, Fit], fitting: Fitting) -> Part:
    main = answers.main
    alphas = {name: krippendorff_alpha(main[main["criterion"] == name], fitting.seed) for name in answers.criteria}
    means = system_means(main, answers.systems, answers.criteria, fitting.resamples, fitting.seed)
    return Part(answers, fits, means, alphas)


def _repeats(answers: Answers) -> dict[str, Agreement]:
    keys = ["participant", "item", "system", "criterion"]
    again = answers.ratings[(answers.ratings["is_repeat"] == 1) & (answers.ratings["is_instructed"] == 0)]
    pairs = again[[*keys, "rating"]].merge(answers.main[[*keys, "rating"]], on=keys, suffixes=("_again", ""))
    return {
        str(name): agreement(rows[["rating", "rating_again"]].to_numpy(np.float64).tolist())
        for name, rows in pairs.groupby("criterion")
    }


def _coding(codes: pd.DataFrame) -> dict[str, tuple[int, float | None]]:
    """How well the first two coders agree, for every code that either of them gave."""
    found: dict[str, dict[tuple[str, str], set[str]]] = {}
    for row in codes.itertuples():
        given = found.setdefault(str(row.coder), {}).setdefault((str(row.participant), str(row.trial)), set())
        given.update({str(row.code)} - {READ})
    names = sorted(set(codes["code"]) - {READ})
    return kappas(found, names) if len(found) > 1 else {}
