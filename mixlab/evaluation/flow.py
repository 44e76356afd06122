"""Room evaluation: the one flow from answers to a report, at the end of a training or by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from mixlab.chat.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.evaluation.answering import Answerer, Answering
from mixlab.evaluation.evaluator import Evaluator
from mixlab.evaluation.probing import ProbedModel, run_probes
from mixlab.evaluation.segments_heard import by_segments
from mixlab.items.bank import ItemBank
from mixlab.items.drawn import DrawnItems
from mixlab.reports.players import SongPlayer
from mixlab.reports.probes import probes_table
from mixlab.reports.results import write_results
from mixlab.reports.table import results_table
from mixlab.reports.wandb_results import log_results
from mixlab.runs.folder import RunFolder
from mixlab.runs.settings import EvaluationSettings, ProbesSettings
from mixlab.runs.trainer import Devices
from mixlab.scoring.results import OWN_SPLIT, SplitResult
from mixlab.settings import Settings


@dataclass
class Subject:
    """What is evaluated: a model with its controls, or a baseline in its place.

    Attributes:
        title: of the report.
        answerers: the model first; empty where a baseline stands in its place.
        encoder: of the models.
        anchors: that the model was trained with; None where it was not trained, and so can be asked with any.
        baseline: the one that stands in a model's place.
    """

    title: str
    answerers: Sequence[Answerer]
    encoder: ChatEncoder
    anchors: Sequence[str] | None = None
    baseline: str | None = None


def evaluate_and_report(
    subject: Subject,
    bank: ItemBank,
    settings: EvaluationSettings,
    devices: Devices,
    run: RunFolder,
    config: Settings,
    *,
    started_s: float,
    probes: ProbesSettings | None = None,
    own_items: bool = True,
    logged_to: RunFolder | None = None,
) -> float:
    """Have the subject answer, score it beside the baselines, and write the results into a run folder.

    Every process of a run has to call it; the first one scores and writes.

    Args:
        bank: set up.
        run: gets the results.
        config: all settings, for the report.
        started_s: when the whole work began, by `time.monotonic`.
        probes: asked of the model.
        own_items: also ask items as the model was trained on, where those are of another kind.
        logged_to: the run whose W&B run gets the results, if it has one.

    Returns:
        The joint accuracy on test songs; NaN in all but the first process.
    """
    answering = Answering(bank, subject.encoder, devices, settings.segments)
    results = evaluate_splits(subject, answering, settings, probes, bank.as_trained() if own_items else None)
    if not results:
        return float("nan")  # the first process reports
    minutes = (time.monotonic() - started_s) / 60
    unanswered = [note for answerer in subject.answerers for note in answerer.notes()]
    player = SongPlayer(bank.source).heard if isinstance(bank, DrawnItems) else lambda prediction: None
    sentence = write_results(
        run,
        results,
        title=subject.title,
        is_demo=bank.true_balance() is not None,
        notes=[*run_notes(bank, results), *unanswered, f"The whole run took {minutes:.1f} minutes."],
        config=config,
        protocol=settings.protocol,
        heard=player,
        audio_examples=settings.audio_examples,
    )
    if logged_to is not None:
        tested = results[0].predictions[results[0].rows[0].method]
        log_results(logged_to.path, run.path, tested, bank.segments, player, settings.audio_examples)
    print_results(results, sentence, run, (time.monotonic() - started_s) / 60)
    return float(results[0].rows[0].scores.headline["joint_accuracy"])


def evaluate_splits(
    subject: Subject,
    answering: Answering,
    settings: EvaluationSettings,
    probes: ProbesSettings | None = None,
    as_trained: ItemBank | None = None,
) -> list[SplitResult]:
    """Evaluate on the test songs, on those that are unlike the training songs where there are any, and on own items.

    Args:
        probes: asked of the model.
        as_trained: has test items as the model was trained on, where those are of another kind.

    Returns:
        A result a split, the test split first; nothing in all but the first process.
    """
    answerers, first = list(subject.answerers), answering.devices.rank == 0
    evaluator = Evaluator(answering, settings, subject.baseline)
    asks = probes if answerers else None
    shuffled = asks is not None and "audio_shuffled" in asks.which
    results = []
    predictions = evaluator.ask("test", answerers, shuffled)
    result = evaluator.score("test", answerers, predictions) if first else None
    looped = evaluator.follow(answerers, predictions if result is None else result.predictions)
    found, notes = (
        ([], [])
        if asks is None
        else run_probes(ProbedModel(evaluator, answerers[0], predictions, asks, subject.anchors))
    )
    by_count = by_segments(result, answerers, answering, settings, subject.baseline)
    if result is not None:
        results.append(replace(result, loops=looped, probes=found, notes=[*result.notes, *notes], by_segments=by_count))
    if evaluator.bank.segments.get("shifted"):
        predictions = evaluator.ask("shifted", answerers)
        if first:
            results.append(evaluator.score("shifted", answerers, predictions))
    if as_trained is not None and as_trained.problems("test"):
        # Baselines are tuned on what is asked, as everywhere; controls would say nothing new.
        asked = settings.but(error=as_trained.heldout.error, prompt=as_trained.heldout.prompt, protocol=None)
        own = Evaluator(replace_bank(answering, as_trained), asked, subject.baseline)
        predictions = own.ask("test", answerers[:1])
        if first:
            results.append(replace(own.score("test", answerers[:1], predictions), split=OWN_SPLIT))
    return results


def replace_bank(answering: Answering, bank: ItemBank) -> Answering:
    """The same devices over another bank."""
    return Answering(bank, answering.encoder, answering.devices, answering.segments)


def require_test_items(bank: ItemBank) -> None:
    """Raise ConfigError where nothing could be evaluated."""
    if not bank.problems("test"):
        raise ConfigError(
            f"No test segment with {bank.needs} is left (dropped: {bank.dropped.get('test', {})}), so "
            "nothing could be evaluated; choose another anchor, another dataset.seed, or add songs."
        )


def run_notes(bank: ItemBank, results: Sequence[SplitResult]) -> list[str]:
    """Sentences for the report: what was left out, and how many segments each split has."""
    notes = list(results[0].notes)
    for split, segments in bank.segments.items():
        songs = len({segment.song_id for segment in segments})
        dropped = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in bank.dropped[split].items())
        notes.append(f"{split}: {len(segments)} segments of {songs} songs (dropped: {dropped or 'none'}).")
    return notes


def print_results(results: Sequence[SplitResult], sentence: str, run: RunFolder, minutes: float) -> None:
    """Print the first line, a table of each split, and where everything lies."""
    console = Console(width=max(100, Console().width))
    console.print(f"\n{sentence}\n", style="bold", highlight=False, markup=False)
    for result in results:
        console.print(results_table(result.rows, f"Split '{result.split}', {result.headline_items}", result.ceiling))
    if results[0].probes:
        console.print(probes_table(results[0].probes))
    console.print(f"Run folder: {run.path}   Report: {run.report}   ({minutes:.1f} min)", highlight=False, markup=False)
