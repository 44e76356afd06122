"""Room study: the tables of an analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mixlab.evaluation.sheets import Figure, Line, Sheet
from mixlab.scoring.paired import ALPHA
from mixlab.study.analysis import Analysis, Correlations, Means, Part
from mixlab.study.answers import Answers
from mixlab.study.fits import KINDS, UNITS, Fit

SIMULATED = "SIMULATED"
SIMULATED_STATEMENT = (
    "SIMULATED: no person gave these answers. They come from simulated raters with planted effects, and show that the "
    "analysis works, nothing about any system."
)
MINUS = "\N{MINUS SIGN}"


def words(name: str) -> str:
    """A name of a system, criterion or metric for people."""
    return name.replace("_", " ")


def analysis_sheets(analysis: Analysis) -> list[Sheet]:
    """All tables of an analysis that are not empty; those of simulated answers say so in title and name."""
    kept, criteria = analysis.kept, analysis.criteria
    sheets = [_participants(analysis), _means("means", "Mean points by system", kept.means, criteria)]
    for criterion in criteria:
        if criterion in kept.fits:
            sheets.append(_pairs(f"pairs_{criterion}", criterion, kept.fits[criterion], analysis))
    sheets += [_models(kept, criteria), _agreement(analysis), _strata(analysis.strata, criteria)]
    if analysis.everyone is not None:
        everyone = analysis.everyone
        sheets.append(_means("everyone_means", "With nobody excluded: mean points", everyone.means, criteria))
        for criterion in criteria:
            if criterion in everyone.fits:
                sheets.append(
                    _pairs(
                        f"everyone_pairs_{criterion}",
                        criterion,
                        everyone.fits[criterion],
                        analysis,
                        "With nobody excluded: ",
                    )
                )
    sheets += [
        _preferences(analysis),
        _coding(analysis),
        _correlations("metrics", "Ratings and metrics, all systems", analysis.metrics, criteria),
        _correlations("metrics_runs", "Ratings and metrics, systems with predictions or judgements",
                      analysis.metrics_runs, criteria),
    ]  # fmt: skip
    shown = [sheet for sheet in sheets if sheet.lines and sheet.columns]
    return [_marked(sheet) for sheet in shown] if analysis.is_simulated else shown


def _marked(sheet: Sheet) -> Sheet:
    return replace(
        sheet,
        name=f"simulated_{sheet.name}",
        title=f"{SIMULATED}: {sheet.title}",
        label=f"{sheet.label} ({SIMULATED})",
    )


def _participants(analysis: Analysis) -> Sheet:
    def line(label: str, answers: Answers) -> Line:
        playback = answers.ratings.drop_duplicates("participant")["playback"].value_counts()
        counts = {"count": len(answers.participants), "ratings": len(answers.main)}
        counts |= {str(name): int(count) for name, count in playback.items()}
        return Line(label, {name: (float(n),) * 3 if name == "count" else str(n) for name, n in counts.items()})

    everyone = analysis.everyone_answers
    lines = [line("rated anything", everyone)]
    for rule, names in analysis.excluded.by_rule.items():
        gone = set(everyone.participants["participant"]) - set(names)
        lines.append(line(f"excluded: {rule}", everyone.without(gone)))
    lines.append(line("analysed", analysis.kept.answers))
    playbacks = sorted(set(everyone.ratings["playback"]))
    columns = {"count": "participants", "ratings": "ratings", **{name: str(name) for name in playbacks}}
    return Sheet("participants", "Who took part and who was excluded", columns, lines, "", (
        "Rules fixed beforehand. Nobody is excluded for rating any advice high or low, also not the planted "
        "wrong advice. "
        "Somebody may break both rules. Hidden repeats are too far off where points drawn by chance lie nearer to "
        "first answers that often. Ratings are those of main trials, without repeats and instructed items."
    ))  # fmt: skip


def _means(name: str, title: str, means: Means, criteria: list[str]) -> Sheet:
    lines = [Line(words(system), dict(row)) for system, row in means.items()]
    return Sheet(name, title, {c: words(c) for c in criteria}, lines, "system", (
        "Points of 1 to 5 with 95 % intervals from a bootstrap that draws participants and items."
    ))  # fmt: skip


def _pairs(name: str, criterion: str, fit: Fit, analysis: Analysis, lead: str = "") -> Sheet:
    pair = set(analysis.plan.pair)
    lines = [
        Line(
            f"{words(c.a)} {MINUS} {words(c.b)}",
            {
                "difference": (c.estimate, c.low, c.high),
                "p": (c.p,) * 3,
                "p_holm": (c.p_holm,) * 3,
                "better": (words(c.a if c.estimate > 0 else c.b)) if c.p_holm < ALPHA else "",
                "hypothesis": "yes" if {c.a, c.b} == pair and criterion == analysis.plan.primary else "",
            },
            "model" if {c.a, c.b} == pair and criterion == analysis.plan.primary else "",
        )
        for c in fit.contrasts
    ]
    columns = {"difference": f"difference, {UNITS[fit.kind]}", "p": "p", "p_holm": "p, Holm", "better": "better"}
    if criterion == analysis.plan.primary:
        columns["hypothesis"] = "hypothesis"
    rank = "primary" if criterion == analysis.plan.primary else "secondary"
    reason = f" It stands in since {fit.reason}." if fit.reason else ""
    return Sheet(name, f"{lead}{words(criterion)} ({rank}): systems against each other", columns, lines, "pair", (
        f"Model: {KINDS[fit.kind]}, {fit.ratings} ratings.{reason} Differences with 95 % intervals; p corrected "
        "by Holm over all "
        "pairs of this criterion. A better one is named where the corrected p is below 0.05."
    ))  # fmt: skip


def _models(part: Part, criteria: list[str]) -> Sheet:
    lines = []
    columns: dict[str, str] = {"model": "model", "p": "p, all alike", "ratings": "ratings"}
    for criterion in criteria:
        if criterion not in part.fits:
            continue
        fit = part.fits[criterion]
        spreads = {f"sd_{name}": (value,) * 3 for name, value in fit.spreads.items()}
        columns |= {name: words(name.removeprefix("sd_")) + " sd" for name in spreads}
        cells = {"model": fit.kind if fit.kind == "clmm" else "FALLBACK: linear", "p": (fit.p,) * 3}
        lines.append(Line(words(criterion), {**cells, "ratings": str(fit.ratings), **spreads}))
    kinds = dict.fromkeys(fit.kind for fit in part.fits.values())
    return Sheet("models", "The models", columns, lines, "criterion", (
        "; ".join(f"{KINDS[kind]}, standard deviations in {UNITS[kind]}" for kind in kinds)
        + ". Advice is one system on one item, taste one participant on one system."
    ))  # fmt: skip


def _agreement(analysis: Analysis) -> Sheet:
    lines = []
    for criterion in analysis.criteria:
        cells: dict[str, Figure | str | None] = {"alpha": analysis.kept.alphas.get(criterion)}
        if analysis.everyone is not None:
            cells["alpha_everyone"] = analysis.everyone.alphas.get(criterion)
        if (repeat := analysis.repeats.get(criterion)) is not None:
            cells |= {"kappa": (repeat.kappa,) * 3, "same": (repeat.same,) * 3, "pairs": str(repeat.pairs)}
        lines.append(Line(words(criterion), cells))
    columns = {"alpha": "alpha", "alpha_everyone": "alpha, nobody excluded", "kappa": "repeat, weighted kappa",
               "same": "repeat, same point", "pairs": "repeats"}  # fmt: skip
    used = {c: heading for c, heading in columns.items() if any(c in line.cells for line in lines)}
    return Sheet("agreement", "Agreement of raters", used, lines, "criterion", (
        "Krippendorff's alpha for ordinal data over pieces of advice; the interval draws these. Repeats: a "
        "rater against the "
        "same rater later in the session."
    ))  # fmt: skip


def _strata(strata: Mapping[str, Means], criteria: list[str]) -> Sheet:
    lines = [
        Line(f"{words(system)}, {playback}", dict(row))
        for playback, means in strata.items()
        for system, row in means.items()
    ]
    if len(strata) < 2:
        lines = []
    return Sheet("playback", "By playback: mean points", {c: words(c) for c in criteria}, lines, "system, playback", (
        "Playback is a declared stratum and was not drawn by chance: raters differ in more than that."
    ))  # fmt: skip


def _preferences(analysis: Analysis) -> Sheet:
    lines = [
        Line(f"{words(a)} over {words(b)}", {"share": figure, "count": (float(count),) * 3})
        for (a, b), (figure, count) in analysis.preferences.items()
    ]
    return Sheet("preferences", "Preferences", {"share": "share", "count": "comparisons"}, lines, "pair", (
        "The share that would rather have the first one's advice; neither counts half."
    ))  # fmt: skip


def _coding(analysis: Analysis) -> Sheet:
    lines = [
        Line(words(code), {"count": (float(count),) * 3, "kappa": None if kappa is None else (kappa,) * 3})
        for code, (count, kappa) in analysis.coding.items()
    ]
    columns = {"count": "comments read by both", "kappa": "Cohen's kappa"}
    return Sheet("coding", "Agreement of the coders of comments", columns, lines, "code", (
        "Of the first two coders by name, who did not see each other's codes; no value where neither varies."
    ))  # fmt: skip


def _correlations(name: str, title: str, found: Correlations, criteria: list[str]) -> Sheet:
    lines = [Line(words(metric), dict(row)) for metric, row in found.items()]
    return Sheet(name, title, {c: words(c) for c in criteria}, lines, "metric", (
        "Spearman's correlation of a metric with the mean rating of a piece of advice; intervals draw items. "
        "Over all systems "
        "it is helped by controls that everybody tells apart."
    ))  # fmt: skip
