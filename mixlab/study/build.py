"""From evaluated runs to the folder of a study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import ConfigError, InputFileError
from mixlab.items.build import open_dataset
from mixlab.items.exported import ExportedSet
from mixlab.multitrack.song import MultitrackSource, SongEntry
from mixlab.registry import Choice
from mixlab.reports.pages import DEMO_STATEMENT
from mixlab.runs.folder import RunFolder
from mixlab.runs.reading import read_config
from mixlab.scoring.prediction import Prediction, write_predictions
from mixlab.settings import parse
from mixlab.storage import whole_folder, write_whole
from mixlab.study.design import draw_evenly
from mixlab.study.manifest import AUDIO, MANIFEST, PREDICTIONS, Item, Manifest, SystemStimulus, ToneTrial, check_design
from mixlab.study.settings import BuildSettings, Mode
from mixlab.study.stimuli import TONE_RATE, Mixes, common_target_lufs, level_noise, render, tones, write_flac
from mixlab.study.systems import Said, common_items, read_people, say
from mixlab.synthesis.licences import is_free
from mixlab.synthesis.problem import Problem


def source_of(request: BuildSettings) -> MultitrackSource:
    """The source of the songs, as configured or as the first run has it.

    Raises:
        ConfigError, InputFileError: if there is none, or it has no songs of its own.
    """
    dataset = request.dataset
    if dataset is None:
        run = Path(next(iter(request.runs.values()))).expanduser()
        folder = RunFolder(run if run.is_dir() else run.parent)
        path = next((path for path in (folder.evaluation_file, folder.config_file) if path.is_file()), None)
        if path is None:
            raise InputFileError(
                f"{folder.path} has neither {folder.evaluation_file.name} nor {folder.config_file.name}, which say "
                "where the songs are; set dataset={kind: ...}."
            )
        values: Any = read_config(path)
        if not isinstance(values.get("dataset"), Mapping):
            raise InputFileError(f"{path} names no songs (dataset); set dataset={{kind: ...}}.")
        dataset = parse(values["dataset"], Choice, f"{path}: dataset")
    source = open_dataset(dataset)
    if isinstance(source, ExportedSet):
        raise ConfigError("The runs are of an exported data set, which has clips and no songs; set dataset={...}.")
    return source


def build(request: BuildSettings, source: MultitrackSource) -> Manifest:
    """Draw and render a study into its folder.

    Raises:
        ConfigError, InputFileError: if what there is does not make a study.
    """
    people = read_people(request.human)
    entries = {entry.song_id: entry for entry in source.entries()}
    answers, dropped = _usable(common_items(request.runs), people, entries, request)
    rng = np.random.default_rng(request.seed)
    names = draw_evenly({item: _levels(found) for item, found in answers.items()}, request.items + 1, rng)
    said = {
        item: say(answers[item], people.get(item, ()), request.controls, np.random.default_rng([request.seed, index]))
        for index, item in enumerate(names)
    }
    problems = {item: next(iter(answers[item].values())) for item in names}
    rated = request.mode is Mode.RATE
    systems = tuple(next(iter(said.values()))) if rated and said else ()
    check_design(request.instrument, systems, len(names) - 1)
    notes = [*dropped, *_balance(problems), *_licences(problems, entries)]
    if any(p.problem.song_id.startswith("demo-") for p in problems.values()):
        notes.append(DEMO_STATEMENT)
    with whole_folder(Path(request.out).expanduser()) as folder:
        # Answers will lie in it, and the truth about the items.
        folder.chmod(0o700)
        audio = folder / AUDIO
        audio.mkdir()
        mixes = {
            item: render(source.load(entries[found.problem.song_id]), found.problem, said[item] if rated else {})
            for item, found in problems.items()
        }
        target = common_target_lufs(request.target_lufs, min(sound.loudest_lufs() for sound in mixes.values()))
        if not np.isfinite(target):
            raise InputFileError(
                "A mix of an item that was drawn is silent; check the songs, or draw with another seed."
            )
        notes.append(f"Every mix is at {target:g} LUFS (BS.1770).")
        items = [
            _item(found, said[item], mixes[item].matched(target), entries[found.problem.song_id], audio)
            for item, found in problems.items()
        ]
        quiet = [int(number) for number in rng.permutation(np.arange(request.instrument.headphones.trials) % 3 + 1)]
        manifest = Manifest(
            mode=request.mode, seed=request.seed, target_lufs=target, systems=systems, items=tuple(items),
            tones=tuple(_tone(number, audio, rng) for number in quiet),
            level=write_flac(audio, level_noise(target, rng), TONE_RATE),
            notes=tuple(notes), instrument=request.instrument,
        )  # fmt: skip
        write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1))
        for name in systems or request.runs:
            words = {item: said[item][name] for item in names}
            lines = [replace(problems[item], text=w.text, advice=w.advice) for item, w in words.items()]
            write_predictions(folder / PREDICTIONS / f"{name}.jsonl", lines)
        for name in ("information.md", "consent.md"):
            write_whole(folder / name, resources.files("mixlab.study").joinpath("texts", name).read_text("utf-8"))
    return manifest


def _usable(
    answers: dict[str, dict[str, Prediction]],
    people: Mapping[str, Sequence[Any]],
    entries: Mapping[str, SongEntry],
    request: BuildSettings,
) -> tuple[dict[str, dict[str, Prediction]], list[str]]:
    """The items that can be rendered and, where people's advice is rated, that have some; and what was left out."""
    reasons: Counter[str] = Counter()
    kept = {}
    for item, found in answers.items():
        problem = next(iter(found.values())).problem
        if problem.song_id not in entries:
            reasons["their song is not in the source"] += 1
        elif problem.borrowed:
            reasons["their stems come from several songs"] += 1
        elif not problem.candidates:
            reasons["only the anchor is active in them"] += 1
        elif request.human is not None and item not in people:
            reasons["nobody wrote advice on them"] += 1
        elif request.mode is Mode.RATE and any(p.advice is None and not p.text.strip() for p in found.values()):
            reasons["a system says nothing at all of them"] += 1
        else:
            kept[item] = found
    notes = [f"{count} items were left out, since {reason}." for reason, count in reasons.items()]
    if not kept:
        raise InputFileError(f"No item of the runs can be used. {' '.join(notes)} Check dataset and human.")
    return kept, notes


def _levels(found: Mapping[str, Prediction]) -> tuple[str | None, ...]:
    problem = next(iter(found.values())).problem
    return problem.error_category, str(problem.prompt_category), problem.genre, problem.anchor, problem.song_id


def _item(found: Prediction, said: Mapping[str, Said], mixes: Mixes, entry: SongEntry, audio: Path) -> Item:
    problem = found.problem
    needed = problem.needed_gains_db
    stem = max(needed, key=lambda name: abs(needed[name])) if needed else ""
    before, alone = (write_flac(audio, samples, mixes.sample_rate) for samples in (mixes.before, mixes.anchor))
    systems = {}
    for name, samples in mixes.after.items():
        after, advised_db = write_flac(audio, samples, mixes.sample_rate), _advised_db(said[name], problem, stem)
        systems[name] = SystemStimulus(text=said[name].text, advised_gain_db=advised_db, after=after)
    return Item(
        item=problem.item_id, song=problem.song_id, genre=problem.genre, licence=entry.licence, anchor=problem.anchor,
        error_category=problem.error_category, prompt_category=str(problem.prompt_category), prompt=found.prompt,
        stem=stem, true_gain_db=round(needed.get(stem, 0.0), 3), before=before, anchor_alone=alone, systems=systems,
    )  # fmt: skip


def _advised_db(said: Said, problem: Problem, stem: str) -> float:
    moves = {move.stem: move.gain_db for move in said.advice.moves} if said.advice is not None else {}
    if not stem and moves:
        # Nothing is wrong: the largest move is what a listener hears.
        return round(sorted([0.0, *(moves[name] for name in moves if name in problem.stems)], key=abs)[-1], 3)
    return round(moves.get(stem, 0.0), 3)


def _tone(quietest: int, audio: Path, rng: np.random.Generator) -> ToneTrial:
    antiphase = int(rng.choice([number for number in (1, 2, 3) if number != quietest]))
    return ToneTrial(file=write_flac(audio, tones(quietest, antiphase), TONE_RATE), quietest=quietest)


def _balance(problems: Mapping[str, Prediction]) -> list[str]:
    notes = []
    for axis in ("error_category", "prompt_category", "genre", "anchor"):
        counts = Counter(str(getattr(p.problem, axis) or "unknown") for p in problems.values())
        notes.append(f"Items by {axis.replace('_', ' ')}: {json.dumps(dict(sorted(counts.items())))[1:-1]}.")
    return notes


def _licences(problems: Mapping[str, Prediction], entries: Mapping[str, SongEntry]) -> list[str]:
    bound = {p.problem.song_id for p in problems.values() if not is_free(entries[p.problem.song_id].licence)}
    sentence = (
        f"{len(bound)} songs are not known to have a free licence: play them to your participants alone, and never "
        "publish the audio of this study."
    )
    return [sentence] if bound else []
