"""Evaluate a trained model, a model as it comes, or a baseline on held-out songs.

    mixlab evaluate checkpoint=RUN evaluation=default                        rewrites the run's results
    mixlab evaluate checkpoint=RUN evaluation/error=several out=DIR          asks it something else
    mixlab evaluate checkpoint=ADAPTER dataset=folder dataset.root=DIR       an adapter, on your songs
    mixlab evaluate checkpoint=null model=qwen2_audio_7b trainer=gpu         a model as it comes (zero-shot)
    mixlab evaluate checkpoint=null baseline=ridge                           a baseline in a model's place
    mixlab evaluate answerer=openai endpoint=http://127.0.0.1:8000/v1 model=<name>    a model behind a server
    mixlab evaluate answerer=openai ... answerer.shots=4 answerer.dry_run=true        what few-shot would cost

Writes metrics.json, predictions.jsonl, comparisons, probes and report.html into the run folder, or into out=. Of a run
folder, its own configuration holds for all that the command line does not name; of an adapter folder, its anchor,
inputs, segment length and limit of tokens. A server is asked with OpenAI's chat completions, after the cost was told;
each answer is kept as it comes, so that a run that is started again asks only for what is missing, and a question that
has no answer counts as wrong. Needs pip install 'mixlab[judge]'; the key is read from an environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from mixlab.calling.settings import check_no_secret
from mixlab.errors import CheckpointError, require
from mixlab.runs.settings import EvaluateSettings
from mixlab.settings import Plain, parse

OF_THE_RUN = ("anchor", "error", "prompt", "inputs", "readings", "dataset", "data", "model", "evaluation")
"""Groups that a run folder's own configuration settles, unless the command line names them or a key in them."""

ADDED_TO = ("data", "evaluation")
"""Those of them that take keys which the run does not know from the defaults."""


def settings(values: Mapping[str, Plain], overrides: Sequence[str]) -> EvaluateSettings:
    """The settings of an evaluation: the checkpoint's own, but for what the command line names.

    Args:
        values: as composed from the command line.
        overrides: the command line's own words, such as ``evaluation=default``.

    Raises:
        MixlabError: if a value is wrong, or what is asked does not fit what was trained.
    """
    from mixlab.evaluation.probes.base import check_probes

    if isinstance(answerer := values.get("answerer"), Mapping):
        check_no_secret(answerer, "answerer.endpoint")
    asked = parse(values, EvaluateSettings)
    check_probes(asked.probes)
    if asked.checkpoint is None:
        return asked
    from mixlab.models.checkpoints import DESCRIPTION, find_trained, read_description
    from mixlab.runs.folder import RunFolder

    checkpoint = Path(asked.checkpoint).expanduser()
    description = read_description(find_trained(checkpoint))
    merged: dict[str, Any] = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()
    }
    if (checkpoint / DESCRIPTION).is_file():
        merged["inputs"]["layout"] = description.inputs
        merged["readings"] = description.readings.plain()
        merged["data"]["segment_s"] = description.segment_s
        if len(description.anchors) == 1:
            merged["anchor"]["stem"] = description.anchors[0]
    else:
        run = RunFolder(checkpoint)
        config = run.read_config([".".join(_path(override)) for override in overrides])
        if not isinstance(run.config.get("dataset"), Mapping):
            raise CheckpointError(
                f"{run.config_file} cannot be read as the configuration of a run (it names no songs); "
                f"give checkpoint={find_trained(checkpoint)} to evaluate the adapter by itself."
            )
        for group in OF_THE_RUN:
            if isinstance(of_the_run := config.get(group), Mapping):
                # A run of before a key existed lacks it; groups whose keys depend on the choice are never mixed.
                merged[group] = {**(merged[group] if group in ADDED_TO else {}), **of_the_run}
    for override in overrides:
        _take_over(merged, values, override)
    found = parse(merged, EvaluateSettings)
    for key, value, trained in (
        ("inputs", str(found.inputs.layout), description.inputs),
        ("readings", found.readings.plain(), description.readings.plain()),
        ("data.segment_s", found.data.segment_s, description.segment_s),
    ):
        if value != trained:
            raise CheckpointError(
                f"{key} is {value!r}, but the checkpoint was trained with {trained!r}; leave {key} out."
            )
    from mixlab.synthesis.anchor import fixed_anchor

    anchor = fixed_anchor(found.anchor.stem)
    if anchor is not None and anchor not in description.anchors:
        raise CheckpointError(
            f"anchor is '{anchor}', but the checkpoint was trained with {', '.join(description.anchors)}; "
            "leave anchor out."
        )
    return found


def _path(override: str) -> list[str]:
    """The keys that lead to what an override of the command line names."""
    return override.split("=", 1)[0].lstrip("+~").split("@")[-1].replace("/", ".").split(".")


def check(settings: EvaluateSettings) -> None:
    """Refuse devices that the machine does not have, and to ask a server without the client.

    Raises:
        ConfigError: naming the key or the package.
    """
    from mixlab.runs.trainer import check_devices_there

    if settings.answerer is not None:
        require("Asking a server", "judge", "openai")
    check_devices_there(settings.trainer)


def _take_over(merged: dict[str, Any], values: Mapping[str, Any], override: str) -> None:
    """Let what an override of the command line names hold as it was composed."""
    path = _path(override)
    node: Any = values
    for part in path:
        if not isinstance(node, Mapping) or part not in node:
            return
        node = node[part]
    place = merged
    for part in path[:-1]:
        place[part] = dict(place.get(part) or {})
        place = place[part]
    place[path[-1]] = node


def main(settings: EvaluateSettings) -> float:
    """Evaluate; returns the joint accuracy on test songs, or NaN where only the cost was to be told.

    Raises:
        MixlabError: one sentence on what is wrong, before songs are prepared.
    """
    import time

    import torch

    from mixlab.evaluation.flow import evaluate_and_report, require_test_items
    from mixlab.evaluation.subjects import heard_by_baselines, served_subject, trained_subject, untrained_subject
    from mixlab.items.build import build_bank
    from mixlab.models.checkpoints import DESCRIPTION
    from mixlab.runs.folder import RunFolder, to_yaml
    from mixlab.runs.trainer import Devices, is_first_process
    from mixlab.storage import write_whole

    started_s = time.monotonic()
    torch.set_num_threads(settings.trainer.threads)
    checkpoint = None if settings.checkpoint is None else Path(settings.checkpoint).expanduser()
    run = None if checkpoint is None or (checkpoint / DESCRIPTION).is_file() else RunFolder(checkpoint)
    subject = None
    if settings.answerer is None:
        subject = untrained_subject(settings) if checkpoint is None else trained_subject(checkpoint, run)
    encoder = heard_by_baselines() if subject is None else subject.encoder
    bank = build_bank(settings, encoder.sample_rate)
    devices = Devices(settings.trainer)
    bank.setup()
    require_test_items(bank)
    with ExitStack() as stack:
        if settings.answerer is not None:
            subject = stack.enter_context(served_subject(settings, settings.answerer, bank))
        if subject is None:
            return float("nan")
        folder = run if run is not None and settings.out is None else RunFolder(_folder(settings))
        if is_first_process():
            write_whole(folder.evaluation_file, to_yaml(settings.plain()))
        return evaluate_and_report(
            subject,
            bank,
            settings.evaluation,
            devices,
            folder,
            settings,
            started_s=started_s,
            probes=settings.probes,
            own_items=run is not None,
            logged_to=run,
        )


def _folder(settings: EvaluateSettings) -> Path:
    """Where results go that have no run folder."""
    if settings.out is not None:
        return Path(settings.out).expanduser()
    return Path(settings.paths.outputs) / "evaluate" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
