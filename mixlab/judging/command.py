"""Room judging: the commands from checked settings to tables on the screen and files in the run's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.progress import Progress

from mixlab.errors import InputFileError
from mixlab.judging.annotations import predictions_file, read_annotations, read_answers, read_ratings
from mixlab.judging.asking import Estimate, Judge
from mixlab.judging.call_log import CallLog
from mixlab.judging.endpoint import Endpoint
from mixlab.judging.forms import Preference
from mixlab.judging.questions import Question, choose, make_cases, preference_questions, rating_questions
from mixlab.judging.schema import JudgeSchema, SimilaritySchema
from mixlab.judging.tables import Grid, figure_text
from mixlab.judging.verdicts import Verdicts, records, sum_up
from mixlab.scoring.prediction import Prediction, read_predictions
from mixlab.storage import write_whole


def similarity(settings: SimilaritySchema) -> None:
    """Compare texts, print the tables and write them.

    Raises:
        MixlabError: one sentence on what is wrong, before the encoder is loaded wherever that can be known.
    """
    from mixlab.judging.measures import Measures
    from mixlab.judging.similarity import compare_texts, match

    answers = None if settings.predictions is None else read_answers(Path(settings.predictions).expanduser())
    items, counts = match(answers, read_annotations(Path(settings.annotations).expanduser()))
    measures = Measures(settings.encoder)
    found = compare_texts(items, measures.compare, settings.stems, counts, settings.resamples, settings.seed)
    note = "; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in found.counts.items())
    _write("similarity", found.grids(), found.flat(), [note], {"items.jsonl": found.items})


def judge(settings: JudgeSchema) -> None:
    """Say what it costs, ask, print the tables and write them.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is asked wherever that can be known.
    """
    criteria = list(settings.rubric.criteria)
    predictions = _predictions(settings.predictions)
    opponents = None if settings.opponent is None else _predictions(settings.opponent)
    ratings = [] if settings.ratings is None else read_ratings(Path(settings.ratings).expanduser(), criteria)
    cases = make_cases(choose(predictions, settings.items, settings.seed), settings.controls, opponents)
    questions = list(rating_questions(cases, settings.rubric, settings.draws))
    if settings.opponent is not None:
        questions += preference_questions(cases, settings.rubric, settings.draws)
    with ExitStack() as stack:
        server = Endpoint(
            settings.endpoint,
            settings.api_key_variable,
            settings.retries,
            settings.timeout_s,
            settings.requests_per_minute,
        )
        log = stack.enter_context(CallLog(_log_path(settings)))
        asker = Judge(
            log, settings.endpoint, settings.model, settings.request, settings.response_format, settings.attempts
        )
        estimate = asker.estimate(questions)
        print(_announcement(estimate, settings), flush=True)
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
    notes = [f"Judge: {settings.model} at {settings.endpoint}; {asked}.", _missing_note(found)]
    rows = records(answered)
    _write(
        "judge",
        verdict_grids(found, criteria),
        found.flat(),
        notes,
        {
            "scores.jsonl": [row for row in rows if "subject" in row],
            "preferences.jsonl": [row for row in rows if "first" in row],
        },
        {"questions.md": _examples(questions), "config.yaml": yaml.safe_dump(settings.model_dump(), sort_keys=False)},
    )


def verdict_grids(found: Verdicts, criteria: Sequence[str]) -> list[Grid]:
    """The tables of a judge's verdicts; those of what was not asked are left out."""
    grids = [
        Grid(
            "Scores (1 to 5)",
            ["", *criteria],
            [
                [subject.replace("_", " "), *(figure_text(figures[c]) for c in criteria)]
                for subject, figures in found.scores.items()
            ],
        )
    ]
    if found.aucs:
        lines = [
            [name.replace("_", " "), *(figure_text(figures[c]) for c in criteria)]
            for name, figures in found.aucs.items()
        ]
        grids.append(
            Grid("Right advice above the same with one thing wrong: AUC (0.5: not told apart)", ["", *criteria], lines)
        )
    trust = [("draw against draw", found.self_agreement)]
    if found.people:
        trust.append(("judge against person", {c: pair[0] for c, pair in found.people.items()}))
        trust.append(("person against person", {c: pair[1] for c, pair in found.people.items()}))
    lines = [
        [f"{name}, {what}", *(_number(getattr(values[c], key)) for c in criteria)]
        for name, values in trust
        for key, what in (("kappa", "weighted kappa"), ("spearman", "Spearman"), ("same", "same"))
        if any(values[c].pairs for c in criteria)
    ]
    if lines:
        grids.append(Grid("Agreement", ["", *criteria], lines))
    if found.preferences and any(preferred.wins.items for preferred in found.preferences.values()):
        lines = [
            [
                f"{first} over {second}".replace("_", " "),
                figure_text(preferred.wins),
                *map(_number, (preferred.ties, preferred.consistent, preferred.first_place)),
            ]
            for (first, second), preferred in found.preferences.items()
        ]
        grids.append(Grid("Preferences", ["", "wins", "ties", "same in both orders", "first place"], lines))
    return grids


def _predictions(path: str) -> list[Prediction]:
    file = predictions_file(Path(path).expanduser())
    predictions = read_predictions(file)
    if not predictions:
        raise InputFileError(f"{file} holds no predictions; give the folder of a run that was evaluated.")
    return predictions


def _log_path(settings: JudgeSchema) -> Path:
    """One file a model and server, whose name says which."""
    name = re.sub(r"[^\w.-]+", "-", settings.model).strip("-.")[-60:]
    digest = sha256(f"{settings.endpoint} {settings.model}".encode()).hexdigest()[:8]
    return Path(settings.cache).expanduser() / "judge" / f"{name}-{digest}.jsonl"


def _announcement(estimate: Estimate, settings: JudgeSchema) -> str:
    out = "unbounded" if estimate.output_tokens is None else f"at most {estimate.output_tokens:,}"
    cost = estimate.cost(settings.price.input, settings.price.output)
    price = "cost unknown (price is not set)" if cost is None else f"cost at most about {cost:.4g}"
    again = (
        f"; up to {settings.attempts} times as much if answers do not keep to the form" if settings.attempts > 1 else ""
    )
    return (
        f"To ask: {estimate.calls:,} calls ({estimate.answered:,} are answered already), about "
        f"{estimate.input_tokens:,} tokens in and {out} out, {price}{again}."
    )


def _missing_note(found: Verdicts) -> str:
    total = sum(found.missing.values())
    reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(found.missing.items(), key=lambda m: -m[1]))
    return f"Missing: {total} of {found.asked} answers{': ' + reasons if reasons else ''}."


def _examples(questions: Sequence[Question]) -> str:
    """The first question of each kind, word for word."""
    firsts = {question.form is Preference: question for question in reversed(questions)}
    parts = []
    for is_preference, question in sorted(firsts.items(), key=lambda first: first[0]):
        parts.append(f"# {'A comparison' if is_preference else 'A rating'}\n")
        parts += [f"## {message['role']}\n\n{message['content']}\n" for message in question.messages]
    return "\n".join(parts)


def _number(value: float) -> str:
    return f"{value:.2f}" if value == value else "\N{EN DASH}"


def _write(
    name: str,
    grids: Sequence[Grid],
    figures: Mapping[str, float],
    notes: Sequence[str],
    lines: Mapping[str, Iterable[Mapping[str, Any]]],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Print tables and notes, and write them with the figures and lines into the folder of the run."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    write_whole(folder / f"{name}.json", json.dumps(figures, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_whole(folder / f"{name}.md", "\n\n".join([*(grid.markdown() for grid in grids), *notes]) + "\n")
    for file, rows in lines.items():
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        if text:
            write_whole(folder / file, text)
    for file, text in (texts or {}).items():
        write_whole(folder / file, text)
    console = Console(width=max(100, Console().width))
    for grid in grids:
        console.print(grid.screen())
    for note in notes:
        console.print(note, markup=False)
    print(f"Written to {folder}")
