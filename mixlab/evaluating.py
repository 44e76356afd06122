"""Floor of the entry points: an evaluation from configuration to report, at the end of a training or by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError

from mixlab import build
from mixlab.config import EvaluateSchema, check
from mixlab.data import own_items
from mixlab.data.chat import Chat
from mixlab.data.encoder import ChatEncoder
from mixlab.data.module import MixDataModule
from mixlab.errors import CheckpointError, ConfigError
from mixlab.evaluation.probes.base import probes_table
from mixlab.evaluation.probing import ProbeSettings, run_probes
from mixlab.evaluation.results import OWN_SPLIT, SplitResult, write_results
from mixlab.evaluation.run import Answerer, Evaluator
from mixlab.evaluation.table import results_table
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import (
    ADAPTER_FOLDER,
    DESCRIPTION,
    Description,
    find_trained,
    load_trained,
    read_description,
)
from mixlab.storage import write_whole
from mixlab.tracking.results import log_results

OF_THE_RUN = ("anchor", "error", "prompt", "inputs", "dataset", "data", "model", "evaluation")
"""Groups that a run folder's own configuration settles, unless the command line names them or a key in them."""

ADDED_TO = ("data", "evaluation")
"""Those of them that take keys which the run does not know from the defaults."""


@dataclass
class Subject:
    """What is evaluated: a model with its controls, or a baseline; and the title of its report."""

    title: str
    answerers: list[Answerer]
    chat: Chat
    anchors: list[str] | None = None
    """That the model was trained on; None where it was not."""


def evaluate(cfg: DictConfig, overrides: Sequence[str]) -> float:
    """Evaluate what `cfg` names and write the results; returns the joint accuracy on test songs.

    Args:
        cfg: checked.
        overrides: what the command line named, such as ``evaluation=default``.

    Raises:
        MixlabError: one sentence on what is wrong, before songs are prepared.
    """
    started = time.monotonic()
    torch.set_num_threads(cfg.trainer.threads)
    checkpoint = None if cfg.checkpoint is None else Path(cfg.checkpoint).expanduser()
    description: Description | None = None
    run: DictConfig | None = None
    if checkpoint is not None:
        description = read_description(find_trained(checkpoint))
        run = None if (checkpoint / DESCRIPTION).is_file() else read_run(checkpoint)
        cfg = settings_of(cfg, description, run, overrides)
        check(OmegaConf.to_container(cfg, resolve=True), EvaluateSchema)  # type: ignore[arg-type]
    folder = checkpoint if run is not None and cfg.out is None else _folder(cfg)
    assert folder is not None
    songs = build.source(cfg)
    subject = _untrained(cfg) if description is None else _trained(Path(cfg.checkpoint), description, run)
    data = build.data_module(cfg, songs, ChatEncoder(subject.chat), features_in_worker=True)
    data.prepare_data()
    data.setup()
    require_test_items(data)
    own = own_items.as_trained(data) if run is not None else None
    probes = ProbeSettings(**cfg.probes)
    results = evaluate_splits(cfg, data, subject.answerers, cfg.baseline, probes, subject.anchors, own)
    config_yaml = OmegaConf.to_yaml(cfg, resolve=True)
    write_whole(folder / "evaluation.yaml", config_yaml)
    seconds = time.monotonic() - started
    heard = build.player(songs)
    sentence = write_results(
        folder,
        results,
        title=subject.title,
        dataset="folder" if data.true_balance() is None else "demo",
        notes=[*run_notes(data, results), f"This evaluation took {seconds / 60:.1f} minutes."],
        config_yaml=config_yaml,
        protocol=cfg.evaluation.get("protocol"),
        heard=heard,
        audio_examples=cfg.evaluation.audio_examples,
    )
    if run is not None:
        tested = results[0].predictions[results[0].rows[0].method]
        log_results(
            Path(cfg.checkpoint).expanduser(), folder, tested, data.segments, heard, cfg.evaluation.audio_examples
        )
    print_results(results, sentence, folder, time.monotonic() - started)
    return float(results[0].rows[0].scores.headline["joint_accuracy"])


def evaluate_splits(
    cfg: DictConfig,
    data: MixDataModule,
    answerers: Sequence[Answerer],
    baseline: str | None = None,
    probes: ProbeSettings | None = None,
    anchors: Sequence[str] | None = None,
    as_trained: MixDataModule | None = None,
) -> list[SplitResult]:
    """Evaluate on the test songs, on those that are unlike the training songs where there are any, and on own items.

    Args:
        baseline: stands in the model's place where there are no answerers.
        probes: asked of the first answerer.
        anchors: that it was trained on; None where it was not.
        as_trained: serves test items as the first answerer was trained on, where those are of another kind.
    """
    # Lightning has moved a model that it trained to the CPU by now.
    device = torch.device("cuda" if cfg.trainer.accelerator == "gpu" else "cpu")
    settings = cfg.evaluation
    names = [*settings.baselines, *([baseline] if baseline and baseline not in settings.baselines else [])]
    evaluator = Evaluator(data, names, settings.tuning_items, settings.resamples, device, settings.loop_steps)
    if baseline is not None and baseline not in evaluator.baselines:
        raise ConfigError(f"baseline is '{baseline}', which these songs do not allow. {' '.join(evaluator.notes)}")
    asks = probes is not None and bool(answerers)
    shuffled = asks and probes is not None and "audio_shuffled" in probes.which
    results = [evaluator.evaluate("test", answerers, baseline, shuffled_audio=shuffled)]
    if asks and probes is not None:
        results[0].probes, notes = run_probes(evaluator, results[0], answerers[0], probes, anchors)
        results[0].notes += notes
    if data.segments.get("shifted"):
        results.append(evaluator.evaluate("shifted", answerers, baseline))
    if as_trained is not None and as_trained.problems("test"):
        # Baselines are tuned on what is asked, as everywhere; controls would say nothing new.
        own = Evaluator(as_trained, names, settings.tuning_items, settings.resamples, device)
        results.append(replace(own.evaluate("test", answerers[:1], baseline), split=OWN_SPLIT))
    return results


def require_test_items(data: MixDataModule) -> None:
    """Raise ConfigError where nothing could be evaluated."""
    if not data.problems("test"):
        raise ConfigError(
            f"No test segment with {data.needs} is left (dropped: {data.dropped.get('test', {})}), so "
            "nothing could be evaluated; choose another anchor, another dataset.seed, or add songs."
        )


def run_notes(data: MixDataModule, results: Sequence[SplitResult]) -> list[str]:
    """Sentences for the report: what was left out, and how many segments each split has."""
    notes = list(results[0].notes)
    for split, segments in data.segments.items():
        songs = len({segment.song_id for segment in segments})
        dropped = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in data.dropped[split].items())
        notes.append(f"{split}: {len(segments)} segments of {songs} songs (dropped: {dropped or 'none'}).")
    return notes


def print_results(results: Sequence[SplitResult], sentence: str, folder: Path, seconds: float) -> None:
    """Print the first line, a table of each split, and where everything lies."""
    console = Console(width=max(100, Console().width))
    console.print(f"\n{sentence}\n", style="bold", highlight=False)
    for result in results:
        console.print(results_table(result.rows, f"Split '{result.split}', {result.headline_items}"))
    if results[0].probes:
        console.print(probes_table(results[0].probes))
    console.print(
        f"Run folder: {folder}   Report: {folder / 'report.html'}   ({seconds / 60:.1f} min)", highlight=False
    )


def read_run(folder: Path) -> DictConfig:
    """The configuration that a run folder keeps.

    Raises:
        CheckpointError: if it is missing or unreadable, or names something outside mixlab to be called.
    """
    path = folder / "config.yaml"
    try:
        run: Any = OmegaConf.load(path)
        target = str(run.dataset._target_)
    except (OSError, YAMLError, OmegaConfBaseException, AttributeError) as error:
        raise CheckpointError(
            f"{path} cannot be read as the configuration of a run ({type(error).__name__}); give checkpoint="
            f"{folder / ADAPTER_FOLDER} to evaluate the adapter by itself."
        ) from error
    if not target.startswith("mixlab."):
        raise CheckpointError(
            f"{path} names the songs by '{target}', which is not part of mixlab and is not called; name the songs by "
            "dataset=... and give the adapter folder."
        )
    return run


def settings_of(
    cfg: DictConfig, description: Description, run: DictConfig | None, overrides: Sequence[str]
) -> DictConfig:
    """The configuration of an evaluation: the checkpoint's own settings, but for what the command line names.

    Args:
        cfg: as composed from the command line.
        run: the configuration of the run; None for an adapter by itself, whose description says what it needs.
        overrides: the command line's own words, such as ``evaluation=default``.

    Raises:
        CheckpointError: if what is asked does not fit what was trained.
    """
    merged = cfg.copy()
    with open_dict(merged):
        if run is None:
            merged.inputs.layout = description.inputs
            merged.data.segment_s = description.segment_s
            if len(description.anchors) == 1:
                merged.anchor.stem = description.anchors[0]
        else:
            for group in (group for group in OF_THE_RUN if group in run):
                # A run of before a key existed lacks it; groups whose keys depend on the choice are never mixed.
                newer: Any = OmegaConf.to_container(cfg[group], resolve=True) if group in ADDED_TO else {}
                merged[group] = newer | dict(run[group].items())
        for override in overrides:
            key = override.split("=", 1)[0].lstrip("+~").split("@")[-1].replace("/", ".")
            if (value := OmegaConf.select(cfg, key)) is not None:
                OmegaConf.update(merged, key, value, merge=False)
    _check_fit(merged, description)
    return merged


def _check_fit(cfg: DictConfig, description: Description) -> None:
    asked = {"inputs": cfg.inputs.layout, "data.segment_s": cfg.data.segment_s}
    trained = {"inputs": description.inputs, "data.segment_s": description.segment_s}
    for key, value in asked.items():
        if value != trained[key]:
            raise CheckpointError(
                f"{key} is {value!r}, but the checkpoint was trained with {trained[key]!r}; leave {key} out."
            )
    if (anchor := build.fixed_anchor(cfg.anchor.stem)) is None:
        return
    if anchor not in description.anchors:
        raise CheckpointError(
            f"anchor is '{anchor}', but the checkpoint was trained with {', '.join(description.anchors)}; "
            "leave anchor out."
        )


def _folder(cfg: DictConfig) -> Path:
    """Where results go that have no run folder."""
    if cfg.out is not None:
        return Path(cfg.out).expanduser()
    return Path(cfg.paths.outputs) / "evaluate" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _untrained(cfg: DictConfig) -> Subject:
    """A baseline, or a model as it comes."""
    if cfg.baseline is not None:
        # Only the rate of the clips and the features are the model's.
        return Subject(cfg.baseline, [], Tiny("listener").read_chat())
    backbone = build.backbone(cfg)
    title = str(cfg.model.arguments.get("name") or cfg.model.builder)
    backbone.model.eval()
    answerer = Answerer("model", "model", backbone, cfg.model.max_new_tokens)
    return Subject(f"{title}, zero-shot", [answerer], backbone.chat)


def _trained(checkpoint: Path, description: Description, run: DictConfig | None) -> Subject:
    """A trained model, its base without the adapter, and the controls of its run."""
    checkpoint = checkpoint.expanduser()
    trained = load_trained(checkpoint)
    tokens = description.max_new_tokens
    base = description.build()
    base.model.eval()
    answerers = [
        Answerer("model", "model", trained.backbone, tokens),
        Answerer("base_unadapted", "control", base, tokens),
    ]
    for folder in sorted((checkpoint / "controls").glob(f"*/{ADAPTER_FOLDER}")) if run is not None else ():
        assert run is not None
        control = load_trained(folder)
        steps = min(run.control_steps, run.trainer.max_steps)
        detail = "" if steps == run.trainer.max_steps else f"{steps} steps"
        answerers.append(Answerer(folder.parent.name, "control", control.backbone, tokens, detail))
    title = str(run.name) if run is not None else checkpoint.absolute().name
    return Subject(title, answerers, trained.backbone.chat, description.anchors)
