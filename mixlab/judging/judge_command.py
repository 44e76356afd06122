"""A language model judges advice by a rubric; it is told what is wrong with a mix, since it hears nothing.

    mixlab judge predictions=<run> endpoint=http://127.0.0.1:8000/v1 model=<name>
    mixlab judge ... dry_run=true price='{input: 0.15, output: 0.6}'    what it would cost
    mixlab judge ... opponent=<other run>                               which of two is better
    mixlab judge ... systems='{rule: <other run>, base: <third run>}'   all ranked in one prompt, as in MixAssist
    mixlab judge ... ratings=ratings.jsonl                              agreement with people
    mixlab judge ... model=<another> judges=[<folder of the first judge>]    agreement of several judges

Right advice and the same advice with a wrong stem, direction or size are judged too, blindly: how often the judge puts
the right one above a wrong one (AUC) says what its scores are worth, and scores that follow from the truth alone are
labelled as its repetition. A call that fails is missing, never guessed. Every answer is written down as it comes; a run
that was stopped or killed goes on where it was when it is started again (calls in flight at that moment are asked
again). Writes judge.json, judge.md, scores.jsonl, preferences.jsonl, rankings.jsonl, questions.md and config.yaml into
the folder that is printed at the end. Needs pip install 'mixlab[judge]'; the key, if the server wants one, is read from
an environment variable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mixlab.calling.asking import missing_in_words
from mixlab.calling.settings import ServerSettings, check_no_secret
from mixlab.errors import require
from mixlab.escaping import fenced
from mixlab.judging.asking import Judge, Result
from mixlab.judging.controls import Control
from mixlab.judging.forms import FormAsked
from mixlab.judging.questions import (
    MODEL,
    OPPONENT,
    RIGHT,
    Question,
    Rubric,
    choose,
    make_cases,
    preference_questions,
    rating_questions,
)
from mixlab.judging.rankings import Ranking
from mixlab.runs.job import Job
from mixlab.settings import FilePath, Many, Name, Plain, PositiveCount, Seed, Spelled, parse


def _not_ours(name: str) -> str:
    if name in (taken := [MODEL, RIGHT, OPPONENT, *Control]):
        raise ValueError(f"{', '.join(taken)} are subjects of their own; give the system another name")
    return name


System = Annotated[Name, AfterValidator(_not_ours)]


class JudgeSettings(ServerSettings):
    """The whole configuration of `mixlab judge`."""

    rubric: Rubric
    predictions: FilePath
    opponent: FilePath | None
    systems: Annotated[dict[System, FilePath], Field(max_length=20)] | None
    ranking: Ranking
    judges: Many[FilePath]
    ratings: FilePath | None
    items: PositiveCount | None
    controls: Many[Spelled[Control]]
    draws: PositiveCount
    attempts: PositiveCount
    response_format: Spelled[FormAsked]
    seed: Seed
    resamples: PositiveCount
    cache: FilePath
    outputs: FilePath

    @model_validator(mode="after")
    def _draws_differ(self) -> JudgeSettings:
        if self.draws > 1 and self.request.get("temperature") == 0:
            raise ValueError("request.temperature is 0, so that all draws are alike; raise it, or set draws=1")
        return self


def settings(values: Mapping[str, Plain], overrides: Sequence[str]) -> JudgeSettings:
    """The settings; an endpoint with a password is refused before any message could repeat it."""
    check_no_secret(values)
    found = parse(values, JudgeSettings)
    if found.judges:
        require("The agreement of judges", "judge", "krippendorff")
    return found


def main(settings: JudgeSettings, job: Job) -> None:
    """Say what it costs, ask, print the tables and write them.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is asked wherever that can be known.
    """
    from mixlab.judging.annotations import read_ratings
    from mixlab.judging.judges import RANKINGS, SCORES, alphas, judged_in, judges_sheet, read_judge
    from mixlab.judging.missing import missing_by_subject, missing_flat, missing_sheet
    from mixlab.judging.output import write_results
    from mixlab.judging.rankings import rank_records, ranked_cases, ranking_questions, sum_up_rankings
    from mixlab.judging.truth import truth_sheet
    from mixlab.judging.verdicts import records, sum_up
    from mixlab.runs.folder import predictions_at, to_yaml
    from mixlab.storage import write_whole

    criteria, ranked_by = list(settings.rubric.criteria), list(settings.ranking.criteria)
    predictions = predictions_at(settings.predictions)
    opponents = None if settings.opponent is None else predictions_at(settings.opponent)
    ratings = [] if settings.ratings is None else read_ratings(Path(settings.ratings).expanduser(), criteria)
    judges = [read_judge(Path(folder).expanduser()) for folder in settings.judges]
    cases = make_cases(choose(predictions, settings.items, settings.seed), settings.controls, opponents)
    questions = list(rating_questions(cases, settings.rubric, settings.draws))
    if settings.opponent is not None:
        questions += preference_questions(cases, settings.rubric, settings.draws)
    systems = {name: predictions_at(place) for name, place in (settings.systems or {}).items()}
    ranked = ranked_cases(cases, systems) if systems else []
    rankings = list(ranking_questions(ranked, settings.ranking, settings.draws, settings.seed))
    results = _ask(settings, [*questions, *rankings])
    if results is None:
        return

    answered = list(zip([*questions, *rankings], results, strict=True))
    rated, listed = answered[: len(questions)], answered[len(questions) :]
    found = sum_up(cases, rated, criteria, ratings, settings.resamples, settings.seed)
    lists = sum_up_rankings(ranked, listed, ranked_by, settings.resamples, settings.seed) if listed else None
    missing = missing_by_subject([*cases, *ranked], answered)
    reasons = Counter(result.missing for _, result in answered if result.value is None)
    rows, ranks = records(rated), rank_records(listed, ranked_by)
    agreed = alphas([judged_in([*rows, *ranks]), *judges]) if judges else {}
    sheets = [
        *found.sheets(),
        *(lists.sheets() if lists else ()),
        truth_sheet(found.truth, lists.truth if lists else {}),
        *([judges_sheet(agreed, len(judges) + 1)] if judges else ()),
        missing_sheet(missing),
    ]
    figures = found.flat() | (lists.flat() if lists else {}) | missing_flat(missing)
    figures |= {f"judges/{name}/alpha": value for name, (value, _) in agreed.items() if isfinite(value)}
    figures |= {"questions": float(len(answered)), "missing": float(sum(reasons.values()))}
    asked = f"{len(cases)} of {len(predictions)} items, {settings.draws} draws"
    told = f"Judge: {settings.model} at {settings.endpoint}; {asked}."
    write_whole(job.folder / "questions.md", _examples([*questions, *rankings]))
    write_whole(job.folder / "config.yaml", to_yaml(settings.plain()))
    lines = {
        SCORES: [r for r in rows if "subject" in r],
        "preferences.jsonl": [r for r in rows if "first" in r],
        RANKINGS: ranks,
    }
    write_results(job.folder, "judge", sheets, figures, [told, missing_in_words(reasons, len(answered))], lines)


def _ask(settings: JudgeSettings, questions: Sequence[Question]) -> list[Result] | None:
    """The results of questions, after it was said what they cost; None where that was all."""
    from rich.console import Console
    from rich.progress import Progress

    from mixlab.calling.call_log import CallLog
    from mixlab.calling.endpoint import Endpoint

    with ExitStack() as stack:
        key, per_minute = settings.api_key_variable, settings.requests_per_minute
        server = Endpoint(settings.endpoint, key, settings.retries, settings.timeout_s, per_minute)
        log = stack.enter_context(CallLog(settings.log_path(Path(settings.cache).expanduser() / "judge")))
        form, attempts = settings.response_format, settings.attempts
        asker = Judge(log, settings.endpoint, settings.model, settings.request, form, attempts)
        estimate = asker.estimate(questions)
        again = f"; up to {attempts} times as much if answers do not keep to the form" if attempts > 1 else ""
        print(f"{estimate.sentence(settings.price)}{again}.", flush=True)
        if settings.dry_run:
            return None
        progress = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        bar = progress.add_task("Judging", total=estimate.calls + estimate.answered)
        concurrency, most = settings.concurrency, settings.give_up_after
        return asker.ask_all(questions, server, concurrency, most, lambda: progress.advance(bar))


def _examples(questions: Sequence[Question]) -> str:
    """The first question of each kind, word for word."""
    firsts = {question.form.__name__: question for question in reversed(questions)}
    parts = []
    for form, title in (("Scores", "A rating"), ("Preference", "A comparison"), ("Ranks", "A ranking")):
        if form in firsts:
            parts.append(f"# {title}\n")
            parts += [f"## {message['role']}\n\n{fenced(message['content'])}\n" for message in firsts[form].messages]
    return "\n".join(parts)
