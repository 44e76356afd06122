"""Room evaluation: what is evaluated by itself: a model trained, as it comes or behind a server, or a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mixlab.calling.call_log import CallLog
from mixlab.calling.endpoint import Endpoint
from mixlab.chat.encoder import ChatEncoder
from mixlab.evaluation.answering import LoadedModel
from mixlab.evaluation.flow import Subject
from mixlab.evaluation.probes.audio import other_audio
from mixlab.evaluation.served import ServedModel, shots_in_words
from mixlab.items.bank import ItemBank
from mixlab.items.build import open_dataset
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import find_trained, give_readings, load_trained, read_description
from mixlab.models.recipes import build_backbone
from mixlab.runs.folder import RunFolder
from mixlab.runs.settings import AnswererSettings, EvaluateSettings
from mixlab.synthesis.example import LAYOUTS
from mixlab.synthesis.problem import Problem


def heard_by_baselines() -> ChatEncoder:
    """What baselines listen to where no model is loaded: log-mel as the tiny model has it."""
    return ChatEncoder(Tiny("listener").read_chat())


def untrained_subject(settings: EvaluateSettings) -> Subject:
    """A baseline, or a model as it comes."""
    if settings.baseline is not None:
        return Subject(settings.baseline, [], heard_by_baselines(), baseline=settings.baseline)
    layout, roles = LAYOUTS[settings.inputs.layout], open_dataset(settings.dataset).roles
    backbone = build_backbone(settings.model, layout, len(roles), settings.data.segment_s)
    give_readings(backbone, settings.readings)
    backbone.model.eval()
    title = str(settings.model.arguments.get("name") or settings.model.builder)
    answerer = LoadedModel("model", "model", backbone, settings.model.max_new_tokens)
    return Subject(f"{title}, zero-shot", [answerer], ChatEncoder(backbone.chat, settings.readings))


def trained_subject(checkpoint: Path, run: RunFolder | None) -> Subject:
    """A trained model, its base without the adapter, and the controls of its run.

    Args:
        run: None for an adapter by itself.
    """
    trained = load_trained(checkpoint)
    description = read_description(find_trained(checkpoint))
    base = description.build()
    base.model.eval()
    limit = description.max_new_tokens
    answerers = [
        LoadedModel("model", "model", trained.backbone, limit),
        LoadedModel("base_unadapted", "control", base, limit),
    ]
    for folder in run.controls if run is not None else ():
        assert run is not None
        settings = run.settings
        steps = min(settings.control_steps, settings.trainer.max_steps)
        detail = "" if steps == settings.trainer.max_steps else f"{steps} steps"
        control = load_trained(folder.adapter).backbone
        answerers.append(LoadedModel(folder.path.name, "control", control, limit, detail))
    title = run.settings.name if run is not None else checkpoint.absolute().name
    return Subject(title, answerers, ChatEncoder(trained.backbone.chat, description.readings), description.anchors)


@contextmanager
def served_subject(settings: EvaluateSettings, asked: AnswererSettings, bank: ItemBank) -> Iterator[Subject | None]:
    """A model behind a server, which has answered a first question; None where only its cost was to be told.

    Args:
        bank: set up.

    Raises:
        MixlabError: if it does not answer.
    """
    server = Endpoint(asked.endpoint, asked.api_key_variable, asked.retries, asked.timeout_s, asked.requests_per_minute)
    with CallLog(asked.log_path(bank.cache_dir / "answers")) as log:
        model = ServedModel(asked, bank, settings.seed, settings.evaluation.tuning_items, log, server)
        problems = bank.problems("test")
        rounds: list[tuple[Sequence[Problem], Sequence[Problem] | None]] = [
            (problems, None),
            (bank.problems("shifted"), None),
        ]
        if "audio_shuffled" in settings.probes.which:
            rounds.append((problems, other_audio(problems, settings.evaluation.seed)))
        print(f"{model.estimate(rounds).sentence(asked.price)}.", flush=True)
        if asked.dry_run:
            yield None
            return
        model.try_out(problems[0])
        yield Subject(f"{asked.model}, {shots_in_words(asked.shots)}", [model], heard_by_baselines())
