"""The tables of an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mixlab.reports.sheets import Cell, Line, Sheet, alone, words
from mixlab.scoring.paired import ALPHA
from mixlab.study.analysis import Analysis, Part
from mixlab.study.answers import Answers
from mixlab.study.fits import KINDS, UNITS, Fit
from mixlab.study.settings import Kind

SIMULATED = "SIMULATED"
SIMULATED_STATEMENT = (
    "SIMULATED: no person gave these answers. They come from simulated raters with planted effects, and show that the "
    "analysis works, nothing about any system."
)
MINUS = "\N{MINUS SIGN}"

PARTICIPANTS_CAPTION = (
    "Rules fixed beforehand. Nobody is excluded for rating any advice high or low, also not the planted wrong advice. "
    "Somebody may break both rules. Hidden repeats are too far off where points drawn by chance lie nearer to first "
    "answers that often. Ratings are those of main trials, without repeats and instructed items."
)
MEANS_CAPTION = "Points of 1 to 5 with 95 % intervals from a bootstrap that draws participants and items."
AGREEMENT_CAPTION = (
    "Krippendorff's alpha for ordinal data over pieces of advice; the interval draws these. Repeats: a rater against "
    "the same rater later in the session."
)
PLAYBACK_CAPTION = "Playback is a declared stratum and was not drawn by chance: raters differ in more than that."
PREFERENCES_CAPTION = "The share that would rather have the first one's advice; neither counts half."
CODING_CAPTION = "Of the first two coders by name, who did not see each other's codes; no value where neither varies."
METRICS_CAPTION = (
    "Spearman's correlation of a metric with the mean rating of a piece of advice; intervals draw items. Over all "
    "systems it is helped by controls that everybody tells apart."
)


def analysis_sheets(analysis: Analysis) -> list[Sheet]:
    """All tables of an analysis that are not empty; those of simulated answers say so in title and name."""
    kept, everyone, criteria = analysis.kept, analysis.everyone, analysis.criteria

    def by_criterion(name: str, title: str, rows: Mapping[str, Mapping[str, Cell]], label: str, caption: str) -> Sheet:
        lines = [Line(words(row), dict(cells)) for row, cells in rows.items()]
        return Sheet(name, title, {c: words(c) for c in criteria}, lines, label, caption)

    def pairs(part: Part, name: str = "", lead: str = "") -> list[Sheet]:
        return [_pairs(f"{name}pairs_{c}", lead, c, part.fits[c], analysis) for c in criteria if c in part.fits]

    sheets = [
        _participants(analysis),
        by_criterion("means", "Mean points by system", kept.means, "system", MEANS_CAPTION),
        *pairs(kept),
        _models(kept, criteria),
        _agreement(analysis),
    ]
    if len(analysis.strata) > 1:
        strata = {f"{s}, {playback}": row for playback, means in analysis.strata.items() for s, row in means.items()}
        sheets.append(
            by_criterion("playback", "By playback: mean points", strata, "system, playback", PLAYBACK_CAPTION)
        )
    if everyone is not None:
        title = "With nobody excluded: mean points"
        sheets.append(by_criterion("everyone_means", title, everyone.means, "system", MEANS_CAPTION))
        sheets += pairs(everyone, "everyone_", "With nobody excluded: ")
    sheets += [
        _preferences(analysis),
        _coding(analysis),
        by_criterion("metrics", "Ratings and metrics, all systems", analysis.metrics, "metric", METRICS_CAPTION),
        by_criterion("metrics_runs", METRICS_RUNS_TITLE, analysis.metrics_runs, "metric", METRICS_CAPTION),
    ]
    shown = [sheet for sheet in sheets if sheet.lines and sheet.columns]
    return [_marked(sheet) for sheet in shown] if analysis.is_simulated else shown


METRICS_RUNS_TITLE = "Ratings and metrics, systems with predictions or judgements"


def _marked(sheet: Sheet) -> Sheet:
    label = f"{sheet.label} ({SIMULATED})"
    return replace(sheet, name=f"simulated_{sheet.name}", title=f"{SIMULATED}: {sheet.title}", label=label)


def _participants(analysis: Analysis) -> Sheet:
    def line(label: str, answers: Answers) -> Line:
        playback = answers.ratings.drop_duplicates("participant")["playback"].value_counts()
        cells: dict[str, Cell] = {"count": alone(len(answers.participants)), "ratings": str(len(answers.main))}
        return Line(label, cells | {str(name): str(count) for name, count in playback.items()})

    everyone = analysis.everyone_answers
    lines = [line("rated anything", everyone)]
    for rule, names in analysis.excluded.by_rule.items():
        gone = set(everyone.participants["participant"]) - set(names)
        lines.append(line(f"excluded: {rule}", everyone.without(gone)))
    lines.append(line("analysed", analysis.kept.answers))
    playbacks = sorted(set(everyone.ratings["playback"]))
    columns = {"count": "participants", "ratings": "ratings", **{name: str(name) for name in playbacks}}
    return Sheet("participants", "Who took part and who was excluded", columns, lines, "", PARTICIPANTS_CAPTION)


def _pairs(name: str, lead: str, criterion: str, fit: Fit, analysis: Analysis) -> Sheet:
    is_primary = criterion == analysis.plan.primary
    lines = []
    for c in fit.contrasts:
        is_hypothesis = is_primary and {c.a, c.b} == set(analysis.plan.pair)
        cells: dict[str, Cell] = {
            "difference": (c.estimate, c.low, c.high),
            "p": alone(c.p),
            "p_holm": alone(c.p_holm),
            "better": words(c.a if c.estimate > 0 else c.b) if c.p_holm < ALPHA else "",
            "hypothesis": "yes" if is_hypothesis else "",
        }
        lines.append(Line(f"{words(c.a)} {MINUS} {words(c.b)}", cells, "model" if is_hypothesis else ""))
    columns = {"difference": f"difference, {UNITS[fit.kind]}", "p": "p", "p_holm": "p, Holm", "better": "better"}
    if is_primary:
        columns["hypothesis"] = "hypothesis"
    title = f"{lead}{words(criterion)} ({'primary' if is_primary else 'secondary'}): systems against each other"
    reason = f" It stands in since {fit.reason}." if fit.reason else ""
    caption = (
        f"Model: {KINDS[fit.kind]}, {fit.ratings} ratings.{reason} Differences with 95 % intervals; p corrected by "
        "Holm over all pairs of this criterion. A better one is named where the corrected p is below 0.05."
    )
    return Sheet(name, title, columns, lines, "pair", caption)


def _models(part: Part, criteria: Sequence[str]) -> Sheet:
    lines = []
    columns = {"model": "model", "p": "p, all alike", "ratings": "ratings"}
    for criterion, fit in ((name, part.fits[name]) for name in criteria if name in part.fits):
        columns |= {f"sd_{name}": f"{words(name)} sd" for name in fit.spreads}
        kind = "clmm" if fit.kind is Kind.CLMM else "FALLBACK: linear"
        cells: dict[str, Cell] = {"model": kind, "p": alone(fit.p), "ratings": str(fit.ratings)}
        lines.append(Line(words(criterion), cells | {f"sd_{name}": alone(sd) for name, sd in fit.spreads.items()}))
    kinds = dict.fromkeys(fit.kind for fit in part.fits.values())
    units = "; ".join(f"{KINDS[kind]}, standard deviations in {UNITS[kind]}" for kind in kinds)
    caption = f"{units}. Advice is one system on one item, taste one participant on one system."
    return Sheet("models", "The models", columns, lines, "criterion", caption)


def _agreement(analysis: Analysis) -> Sheet:
    lines = []
    for criterion in analysis.criteria:
        cells: dict[str, Cell] = {"alpha": analysis.kept.alphas.get(criterion)}
        if analysis.everyone is not None:
            cells["alpha_everyone"] = analysis.everyone.alphas.get(criterion)
        if (repeat := analysis.repeats.get(criterion)) is not None:
            cells |= {"kappa": alone(repeat.kappa), "same": alone(repeat.same), "pairs": str(repeat.pairs)}
        lines.append(Line(words(criterion), cells))
    columns = {"alpha": "alpha", "alpha_everyone": "alpha, nobody excluded", "kappa": "repeat, weighted kappa",
               "same": "repeat, same point", "pairs": "repeats"}  # fmt: skip
    used = {c: heading for c, heading in columns.items() if any(c in line.cells for line in lines)}
    return Sheet("agreement", "Agreement of raters", used, lines, "criterion", AGREEMENT_CAPTION)


def _preferences(analysis: Analysis) -> Sheet:
    found = analysis.preferences.items()
    lines = [Line(f"{words(a)} over {words(b)}", {"share": share, "count": alone(n)}) for (a, b), (share, n) in found]
    columns = {"share": "share", "count": "comparisons"}
    return Sheet("preferences", "Preferences", columns, lines, "pair", PREFERENCES_CAPTION)


def _coding(analysis: Analysis) -> Sheet:
    lines = [
        Line(words(code), {"count": alone(count), "kappa": None if kappa is None else alone(kappa)})
        for code, (count, kappa) in analysis.coding.items()
    ]
    columns = {"count": "comments read by both", "kappa": "Cohen's kappa"}
    return Sheet("coding", "Agreement of the coders of comments", columns, lines, "code", CODING_CAPTION)
