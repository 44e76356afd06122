"""Room study: `build`: from evaluated runs to the folder of a study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mixlab.errors import ConfigError, InputFileError, MixlabError
from mixlab.evaluation.report import DEMO_STATEMENT
from mixlab.hub.folders import whole_folder
from mixlab.hub.licences import is_free
from mixlab.multitrack.song import MultitrackSource, SongEntry
from mixlab.scoring.prediction import Prediction, write_predictions
from mixlab.storage import write_whole
from mixlab.study.design import draw_evenly
from mixlab.study.manifest import AUDIO, MANIFEST, PREDICTIONS, Item, Manifest, SystemStimulus, ToneTrial, check_design
from mixlab.study.schema import BuildSchema, settings
from mixlab.study.stimuli import (
    TONE_RATE,
    Mixes,
    common_target_lufs,
    level_noise,
    render,
    tones,
    write_flac,
)
from mixlab.study.systems import Said, common_items, read_people, say
from mixlab.synthesis.problem import Problem

RUN_CONFIGURATIONS = ("evaluation.yaml", "config.yaml")


def main(cfg: DictConfig) -> None:
    """Draw, render and write a study, and say what it holds.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    request = settings(cfg, BuildSchema)
    manifest = build(request, source_of(request))
    print(f"{len(manifest.items) - 1} items and one for training, {len(manifest.systems)} systems, in {request.out}")
    for note in manifest.notes:
        print(note)
    print(f"Complete {request.out}/information.md and consent.md: fields in [brackets] are yours.")


def source_of(request: BuildSchema) -> MultitrackSource:
    """The source of the songs, as configured or as the first run has it.

    Raises:
        ConfigError, InputFileError: if there is none, or it has no songs of its own.
    """
    node: Any = request.dataset
    if node is None:
        run = Path(next(iter(request.runs.values()))).expanduser()
        folder = run if run.is_dir() else run.parent
        path = next((folder / name for name in RUN_CONFIGURATIONS if (folder / name).is_file()), None)
        if path is None:
            raise InputFileError(
                f"{folder} has neither {' nor '.join(RUN_CONFIGURATIONS)}, which say where the songs are; "
                "set dataset={_target_: ...}."
            )
        node = OmegaConf.select(OmegaConf.load(path), "dataset")
    try:
        source = instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, MixlabError):
            raise error.__cause__ from None
        raise ConfigError(f"The keys of dataset do not make a source of songs ({error.__cause__ or error}).") from error
    if not hasattr(source, "load"):
        raise ConfigError("The runs are of an exported data set, which has clips and no songs; set dataset={...}.")
    return source


def build(request: BuildSchema, source: MultitrackSource) -> Manifest:
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
    rated = request.mode == "rate"
    systems = tuple(next(iter(said.values()))) if rated and said else ()
    check_design(request.instrument, systems, len(names) - 1)
    notes = [*dropped, *_balance(problems), *_licences(problems, entries)]
    if any(song.startswith("demo-") for song in (p.problem.song_id for p in problems.values())):
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
            mode=request.mode,
            seed=request.seed,
            target_lufs=target,
            systems=systems,
            items=tuple(items),
            tones=tuple(_tone(number, audio, rng) for number in quiet),
            level=write_flac(audio, level_noise(target, rng), TONE_RATE),
            notes=tuple(notes),
            instrument=request.instrument,
        )
        write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1))
        for name in systems or request.runs:
            lines = [
                replace(problems[item], text=said[item][name].text, advice=said[item][name].advice) for item in names
            ]
            write_predictions(folder / PREDICTIONS / f"{name}.jsonl", lines)
        for name in ("information.md", "consent.md"):
            write_whole(folder / name, resources.files("mixlab.study").joinpath("texts", name).read_text("utf-8"))
    return manifest


def _usable(
    answers: dict[str, dict[str, Prediction]],
    people: Mapping[str, Sequence[Any]],
    entries: Mapping[str, SongEntry],
    request: BuildSchema,
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
        elif request.mode == "rate" and not all(
            said.text.strip() or said.advice is not None for said in found.values()
        ):
            reasons["a system says nothing at all of them"] += 1
        else:
            kept[item] = found
    notes = [f"{count} items were left out, since {reason}." for reason, count in reasons.items()]
    if not kept:
        raise InputFileError(f"No item of the runs can be used. {' '.join(notes)} Check dataset and human.")
    return kept, notes


def _levels(found: Mapping[str, Prediction]) -> tuple[str | None, ...]:
    problem = next(iter(found.values())).problem
    return (
        problem.error_category,
        str(problem.prompt_category),
        problem.genre,
        problem.anchor,
        problem.song_id,
    )


def _item(found: Prediction, said: Mapping[str, Said], mixes: Mixes, entry: SongEntry, audio: Path) -> Item:
    problem = found.problem
    needed = problem.needed_gains_db
    stem = max(needed, key=lambda name: abs(needed[name])) if needed else ""
    return Item(
        item=problem.item_id,
        song=problem.song_id,
        genre=problem.genre,
        licence=entry.licence,
        anchor=problem.anchor,
        error_category=problem.error_category,
        prompt_category=str(problem.prompt_category),
        prompt=found.prompt,
        stem=stem,
        true_gain_db=round(needed.get(stem, 0.0), 3),
        before=write_flac(audio, mixes.before, mixes.sample_rate),
        anchor_alone=write_flac(audio, mixes.anchor, mixes.sample_rate),
        systems={
            name: SystemStimulus(
                text=said[name].text,
                advised_gain_db=_advised_db(said[name], problem, stem),
                after=write_flac(audio, samples, mixes.sample_rate),
            )
            for name, samples in mixes.after.items()
        },
    )


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
    axes = {
        "error category": lambda p: p.error_category,
        "prompt category": lambda p: str(p.prompt_category),
        "genre": lambda p: p.genre or "unknown",
        "anchor": lambda p: p.anchor,
    }
    counts = {name: Counter(level(p.problem) for p in problems.values()) for name, level in axes.items()}
    return [f"Items by {name}: {json.dumps(dict(sorted(found.items())))[1:-1]}." for name, found in counts.items()]


def _licences(problems: Mapping[str, Prediction], entries: Mapping[str, SongEntry]) -> list[str]:
    bound = {p.problem.song_id for p in problems.values() if not is_free(entries[p.problem.song_id].licence)}
    if not bound:
        return []
    return [
        f"{len(bound)} songs are not known to have a free licence: play them to your participants alone, and never "
        "publish the audio of this study."
    ]
