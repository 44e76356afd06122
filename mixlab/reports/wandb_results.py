"""What was measured at the end of a run, logged to its W&B run: figures, tables, sound, artifacts."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixlab.escaping import csv_text, finalize
from mixlab.multitrack.segments import Segment
from mixlab.reports.examples import Example, shown_examples
from mixlab.reports.players import Heard
from mixlab.reports.run_sheets import confusion_pairs, describe
from mixlab.runs.folder import RunFolder
from mixlab.runs.wandb import finish_run, open_run, open_run_of, read_identity, wandb_mode
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import headline_predictions
from mixlab.storage import write_whole
from mixlab.synthesis.licences import is_free

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

SOUND_FOLDER = "listening"
"""In a run folder: the sound that was logged, since W&B keeps the media of a table elsewhere until their upload."""

EXAMPLE_COLUMNS = tuple(field.name for field in fields(Example) if field.name != "heard")
PREDICTION_COLUMNS = (
    *("item", "song", "genre", "category", "anchor", "prompt"),
    *("answer", "reference", "needed", "understood", "right"),
)


def log_results(
    run_folder: Path,
    folder: Path,
    predictions: Sequence[Prediction],
    segments: Mapping[str, Sequence[Segment]],
    heard: Callable[[Prediction], Heard | None],
    audio_examples: int,
) -> None:
    """Log the results in `folder` to the W&B run of `run_folder`; nothing where that folder has none.

    Args:
        folder: the run folder, or one with another evaluation, whose name then stands in front of every key.
        predictions: of the model, on the test items.
        segments: of every split.
        heard: renders an example; what it returns is logged only where the song's licence is known and free.
        audio_examples: how many of the best and of the worst examples are heard.
    """
    identity = read_identity(run_folder)
    if identity is None or wandb_mode() == "disabled":
        return
    run = open_run_of(run_folder) or open_run(run_folder, identity, name=RunFolder(run_folder).name)
    lead = "" if folder.resolve() == run_folder.resolve() else f"{folder.resolve().name}/"
    try:
        run.summary.update({f"{lead}{key}": value for key, value in RunFolder(folder).metrics.items()})
        headline = headline_predictions(predictions)
        examples = shown_examples(headline, lambda p: publishable(heard(p)), audio_examples)
        said = prediction_tables(predictions, examples, folder / SOUND_FOLDER)
        logged = sheet_tables(RunFolder(folder).tables) | said | plots(headline)
        run.log({f"{lead}{key}": value for key, value in logged.items()})
        if not lead:
            _log_artifacts(run, run_folder, segments)
    finally:
        finish_run(run, run_folder)


def publishable(heard: Heard | None) -> Heard | None:
    """The sound of an example where its song's licence is known and lets it be published, else None."""
    return heard if heard is not None and is_free(heard.licence) else None


def sheet_tables(folder: Path) -> dict[str, Any]:
    """The tables of a report (``tables/*.csv``) as W&B tables."""
    import wandb

    found = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            names, *rows = csv.reader(handle)
        found[f"tables/{path.stem}"] = wandb.Table(list(names), [[_value(cell) for cell in row] for row in rows])
    return found


def prediction_tables(
    predictions: Sequence[Prediction], examples: Mapping[str, Sequence[Example]], sound_folder: Path
) -> dict[str, Any]:
    """All predictions in words, and the best and worst ones with sound.

    Args:
        examples: by heading.
        sound_folder: keeps the sound as files.
    """
    import wandb

    rows = [
        [p.problem.item_id, p.problem.song_id, p.problem.genre, str(p.problem.prompt_category), p.problem.anchor,
         p.prompt, p.text, p.reference, _gains(p.problem.needed_gains_db),
         "nothing" if p.advice is None else _gains(p.advice.gains_db), p.is_right]
        for p in predictions
    ]  # fmt: skip
    shown = [(heading, example) for heading, group in examples.items() for example in group]
    stages = list(dict.fromkeys(_stage(name) for _, example in shown if example.heard for name in example.heard.clips))
    lines = []
    for heading, example in shown:
        sounds: list[Any] = [None] * len(stages)
        if example.heard is not None:
            for path, stage in save_sound(sound_folder, example.item, example.heard):
                sounds[stages.index(stage)] = wandb.Audio(str(path), caption=f"{example.item}, {stage}")
        caption = example.heard.caption if example.heard is not None else ""
        texts = [heading, *(getattr(example, name) for name in EXAMPLE_COLUMNS), caption]
        lines.append([*map(finalize, texts), *sounds])
    return {
        "predictions": wandb.Table(list(PREDICTION_COLUMNS), [list(map(finalize, row)) for row in rows]),
        "examples": wandb.Table(["what", *EXAMPLE_COLUMNS, "sound", *stages], lines),
    }


def save_sound(folder: Path, item: str, heard: Heard) -> list[tuple[Path, str]]:
    """Write the clips of an example as Ogg Vorbis files; returns each with what it holds."""
    saved = []
    for name, uri in heard.clips.items():
        stage = _stage(name)
        path = folder / (re.sub(r"[^\w.-]+", "_", f"{item}-{stage}") + ".ogg")
        write_whole(path, base64.b64decode(uri.partition(",")[2]))
        saved.append((path, stage))
    return saved


def plots(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """What was answered instead, and the advised against the needed gain, as W&B draws them."""
    import wandb

    from mixlab.reports.figures import gain_points

    pairs = confusion_pairs(predictions)
    classes = sorted({name for pair in pairs for name in pair})
    gains = wandb.Table(["needed_db", "advised_db", "right"], [list(point) for point in gain_points(predictions)])
    return {
        "confusion": wandb.plot.confusion_matrix(
            y_true=[classes.index(right) for right, _ in pairs],
            preds=[classes.index(given) for _, given in pairs],
            class_names=classes,
            title="What was answered instead",
        ),
        "gains": wandb.plot.scatter(gains, "needed_db", "advised_db", title="Advised against needed gain, dB"),
    }


def segments_csv(segments: Mapping[str, Sequence[Segment]]) -> str:
    """The index of a data set: which stretches of which songs each split holds. No audio, so any song may be in it."""
    rows = [
        [split, s.song_id, s.genre, s.start_s, s.duration_s, " ".join(s.stems)]
        for split, found in sorted(segments.items())
        for s in found
    ]
    return csv_text([["split", "song_id", "genre", "start_s", "duration_s", "stems"], *rows])


def _log_artifacts(run: Run, folder: Path, segments: Mapping[str, Sequence[Segment]]) -> None:
    """The adapter, and the index of the data set under a name that runs on the same segments share."""
    import wandb

    text = segments_csv(segments)
    index = wandb.Artifact(f"segments-{hashlib.sha256(text.encode()).hexdigest()[:12]}", "dataset")
    with index.new_file("segments.csv", encoding="utf-8") as handle:
        handle.write(text)
    run.log_artifact(index)
    adapter, place = wandb.Artifact(f"adapter-{run.id}", "model"), RunFolder(folder).adapter
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        # Read where it lies: the run folder keeps it, so no second copy is needed until it is uploaded.
        adapter.add_file(str(path), path.relative_to(place).as_posix(), policy="immutable")
    run.log_artifact(adapter)


def _gains(gains_db: Mapping[str, float]) -> str:
    sizes = ", ".join(f"{gain_db:+.1f} dB" for _, gain_db in sorted(gains_db.items()))
    return f"{describe(gains_db)} ({sizes})" if gains_db else "balanced"


def _stage(heading: str) -> str:
    """One column for the mix that was given, with an error or without."""
    return "as it was given" if heading == "with the error" else heading


def _value(cell: str) -> float | str | None:
    """A cell of a CSV file as W&B has it: a number, a text, or nothing."""
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell
