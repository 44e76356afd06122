"""A language model judges advice by a rubric; it is told what is wrong with a mix, since it hears nothing.

    mixlab judge predictions=<run> endpoint=http://127.0.0.1:8000/v1 model=<name>
    mixlab judge ... dry_run=true price='{input: 0.15, output: 0.6}'    what it would cost
    mixlab judge ... opponent=<other run>                               which of two is better
    mixlab judge ... ratings=ratings.jsonl                              agreement with people

Right advice and the same advice with a wrong stem, direction or size are judged too, blindly: how often the judge puts
the right one above a wrong one (AUC) says what its scores are worth. A call that fails is missing, never guessed. Every
answer is written down as it comes; a run that was stopped or killed goes on where it was when it is started again
(calls in flight at that moment are asked again). Writes judge.json, judge.md, scores.jsonl, preferences.jsonl,
questions.md and config.yaml into the folder that is printed at the end. Needs pip install 'mixlab[judge]'; the key, if
the server wants one, is read from an environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import model_validator

from mixlab.calling.asking import missing_in_words
from mixlab.calling.settings import ServerSettings, check_no_secret
from mixlab.escaping import fenced
from mixlab.judging.asking import Judge
from mixlab.judging.controls import Control
from mixlab.judging.forms import FormAsked, Preference
from mixlab.judging.questions import Question, Rubric, choose, make_cases, preference_questions, rating_questions
from mixlab.runs.job import Job
from mixlab.settings import FilePath, Many, Plain, PositiveCount, Seed, Spelled, parse


class JudgeSettings(ServerSettings):
    """The whole configuration of `mixlab judge`."""

    rubric: Rubric
    predictions: FilePath
    opponent: FilePath | None
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
    return parse(values, JudgeSettings)


def main(settings: JudgeSettings, job: Job) -> None:
    """Say what it costs, ask, print the tables and write them.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is asked wherever that can be known.
    """
    from rich.console import Console
    from rich.progress import Progress

    from mixlab.calling.call_log import CallLog
    from mixlab.calling.endpoint import Endpoint
    from mixlab.judging.annotations import read_ratings
    from mixlab.judging.output import write_results
    from mixlab.judging.verdicts import records, sum_up
    from mixlab.runs.folder import predictions_at, to_yaml
    from mixlab.storage import write_whole

    criteria = list(settings.rubric.criteria)
    predictions = predictions_at(settings.predictions)
    opponents = None if settings.opponent is None else predictions_at(settings.opponent)
    ratings = [] if settings.ratings is None else read_ratings(Path(settings.ratings).expanduser(), criteria)
    cases = make_cases(choose(predictions, settings.items, settings.seed), settings.controls, opponents)
    questions = list(rating_questions(cases, settings.rubric, settings.draws))
    if settings.opponent is not None:
        questions += preference_questions(cases, settings.rubric, settings.draws)
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
            return
        progress = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        bar = progress.add_task("Judging", total=estimate.calls + estimate.answered)
        results = asker.ask_all(
            questions, server, settings.concurrency, settings.give_up_after, lambda: progress.advance(bar)
        )
    answered = list(zip(questions, results, strict=True))
    found = sum_up(cases, answered, criteria, ratings, settings.resamples, settings.seed)
    asked = f"{len(cases)} of {len(predictions)} items, {settings.draws} draws"
    told = f"Judge: {settings.model} at {settings.endpoint}; {asked}."
    notes = [told, missing_in_words(found.missing, found.asked)]
    rows = records(answered)
    write_whole(job.folder / "questions.md", _examples(questions))
    write_whole(job.folder / "config.yaml", to_yaml(settings.plain()))
    lines = {
        "scores.jsonl": [r for r in rows if "subject" in r],
        "preferences.jsonl": [r for r in rows if "first" in r],
    }
    write_results(job.folder, "judge", found.sheets(), found.flat(), notes, lines)


def _examples(questions: Sequence[Question]) -> str:
    """The first question of each kind, word for word."""
    firsts = {question.form is Preference: question for question in reversed(questions)}
    parts = []
    for is_preference, question in sorted(firsts.items(), key=lambda first: first[0]):
        parts.append(f"# {'A comparison' if is_preference else 'A rating'}\n")
        parts += [f"## {message['role']}\n\n{fenced(message['content'])}\n" for message in question.messages]
    return "\n".join(parts)
