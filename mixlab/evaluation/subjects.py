"""Room evaluation: what an evaluation by itself is about: a trained model, one as it comes, or a baseline."""

from __future__ import annotations

from pathlib import Path

from mixlab.chat.encoder import ChatEncoder
from mixlab.evaluation.answering import Answerer
from mixlab.evaluation.flow import Subject
from mixlab.items.build import open_dataset
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import find_trained, load_trained, read_description
from mixlab.models.recipes import build_backbone
from mixlab.runs.folder import RunFolder
from mixlab.runs.settings import EvaluateSettings
from mixlab.synthesis.example import LAYOUTS


def untrained_subject(settings: EvaluateSettings) -> Subject:
    """A baseline, or a model as it comes."""
    if settings.baseline is not None:
        # What baselines listen to is log-mel as the tiny model has it.
        return Subject(settings.baseline, [], ChatEncoder(Tiny("listener").read_chat()), baseline=settings.baseline)
    layout, roles = LAYOUTS[settings.inputs.layout], open_dataset(settings.dataset).roles
    backbone = build_backbone(settings.model, layout, len(roles), settings.data.segment_s)
    backbone.model.eval()
    title = str(settings.model.arguments.get("name") or settings.model.builder)
    answerer = Answerer("model", "model", backbone, settings.model.max_new_tokens)
    return Subject(f"{title}, zero-shot", [answerer], ChatEncoder(backbone.chat))


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
        Answerer("model", "model", trained.backbone, limit),
        Answerer("base_unadapted", "control", base, limit),
    ]
    for folder in run.controls if run is not None else ():
        assert run is not None
        settings = run.settings
        steps = min(settings.control_steps, settings.trainer.max_steps)
        detail = "" if steps == settings.trainer.max_steps else f"{steps} steps"
        control = load_trained(folder.adapter).backbone
        answerers.append(Answerer(folder.path.name, "control", control, limit, detail))
    title = run.settings.name if run is not None else checkpoint.absolute().name
    return Subject(title, answerers, ChatEncoder(trained.backbone.chat), description.anchors)
