"""Room training: make the tiny describing base from its own songs, with its log and its card."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from mixlab.chat.datasets import EpochSampler
from mixlab.chat.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.items.build import open_dataset
from mixlab.language import templates
from mixlab.models.backbones.base import Backbone
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.tiny import fold_feature_statistics, tiny_config, tiny_processor
from mixlab.models.optim import OPTIMIZERS
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Segment, list_segments
from mixlab.multitrack.song import STEMS
from mixlab.training.describing import questions
from mixlab.training.describing.dataset import DescribingDataset, collate_described
from mixlab.training.describing.ear import EarClips, EarModule, ListeningHeads
from mixlab.training.describing.module import ListenerModule
from mixlab.training.describing.settings import EarSettings, PretrainSettings

SPLITS = ("train", "validation")
log = logging.getLogger(__name__)


def make_base(settings: PretrainSettings) -> None:
    """Make the base that the settings describe, with its card."""
    out = Path(settings.out)
    started = time.monotonic()
    figures = pretrain(settings, open_dataset(settings.dataset))
    recipe = {key: value for key, value in settings.plain().items() if key not in ("out", "paths")}
    if settings.start is not None:
        recipe["start"] = Path(settings.start).name
    card = resources.files("mixlab.training.describing").joinpath("card.md").read_text()
    lines = [f"| {name.removeprefix('val/').replace('_', ' ')} | {value:.3f} |" for name, value in figures.items()]
    minutes = (time.monotonic() - started) / 60
    text = card.format(
        figures="\n".join(lines), recipe=yaml.safe_dump(recipe, sort_keys=False), minutes=f"{minutes:.0f}"
    )
    (out / "README.md").write_text(text)
    log.info("The base is in %s: %s", out, figures)


def tokenizer_corpus(genres: list[str]) -> list[str]:
    """The texts that the tiny tokenizer is learnt from: the words of questions, prompts, responses and the chat form.

    Only the tokenizer sees them; the base itself is never trained on a prompt or response template.
    """
    chat = "system\nYou are a helpful assistant.\nuser\nAudio 1: \nAudio 2: \nAudio 3: \nAudio 4: \nassistant\n"
    return [*templates.all_texts(), *questions.all_texts(STEMS, genres), *([chat] * 200)]


def words() -> list[str]:
    """Every single word of the prompt and response templates, sorted; never in the order of a template."""
    return sorted({word for text in templates.all_texts() for word in re.findall(r"[^\W\d_]+", text)})


def new_backbone(source: DemoSource, segment_s: int, seed: int) -> Backbone:
    """The untrained tiny model with a tokenizer of its own."""
    processor = tiny_processor(tokenizer_corpus(sorted({str(entry.genre) for entry in source.entries()})), segment_s)
    vocabulary = processor.tokenizer.get_vocab()
    config = tiny_config(
        vocabulary, processor.feature_extractor.feature_size, processor.feature_extractor.nb_max_frames
    )
    torch.manual_seed(seed)
    return Backbone(Qwen2Audio().new_model(config), processor, Qwen2Audio())


def pretrain(settings: PretrainSettings, source: Any) -> dict[str, float]:
    """Train the describing base, first its ear and then its words, and write it to ``out``.

    Args:
        source: of the songs.

    Returns:
        The last validation figures: of the ear, and of words, mean absolute error of numbers in dB and accuracy of the
        other meaningful words.

    Raises:
        ConfigError: if the songs are not listening songs.
    """
    if not isinstance(source, DemoSource) or source.purpose != "listening":
        raise ConfigError("The base is made from listening songs only; set dataset=demo and dataset.purpose=listening.")
    start, seed, segment_s, protocol = settings.start, settings.seed, settings.segment_s, settings.protocol
    batch_size, workers, out = settings.batch_size, settings.workers, Path(settings.out)
    optim = settings.optim.build(OPTIMIZERS, "optim")
    torch.set_num_threads(settings.threads)
    lightning.seed_everything(seed)
    backbone = new_backbone(source, segment_s, seed) if start is None else Pretrained(start).build()
    encoder = ChatEncoder(backbone.chat)
    store = prepare(source, Path(settings.paths.cache), encoder.sample_rate, workers=torch.multiprocessing.cpu_count())
    bpm = {entry.song_id: source.composition(entry).tempo_bpm for entry in source.entries()}
    genres = sorted({str(song.genre) for song in store.songs.values()})

    def segments(split: str) -> list[Segment]:
        return list_segments(store, store.split(split), "bass", segment_s, 1.0, settings.gates)[0]

    heads = ListeningHeads(backbone.model.config.text_config.hidden_size, len(STEMS), len(genres))
    figures: dict[str, float] = {}
    if start is None:
        clips = [EarClips(store, segments(split), genres, STEMS, protocol, encoder, seed) for split in SPLITS]
        figures |= _train_ear(backbone, heads, clips[0], clips[1], settings.ear, out)
    train, validation = [
        DescribingDataset(store, segments(split), bpm, genres, STEMS, words(), protocol, encoder, seed)
        for split in SPLITS
    ]
    loading: dict[str, Any] = {
        "batch_size": batch_size,
        "collate_fn": partial(collate_described, pad_token_id=encoder.pad_token_id),
    }
    backbone.model.model.audio_tower.requires_grad_(False)
    figures |= _fit(
        ListenerModule(backbone, optim, heads),
        DataLoader(
            train,
            sampler=EpochSampler(batch_size * 200),
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
            **loading,
        ),
        DataLoader(validation, sampler=EpochSampler(256), **loading),
        settings.steps,
        CSVLogger(out, name="", version="log/words"),
    )
    backbone.save(out)
    return figures


def _train_ear(
    backbone: Backbone, heads: ListeningHeads, train: EarClips, validation: EarClips, ear: EarSettings, out: Path
) -> dict[str, float]:
    """The first stage: fold the scale of the features into the tower, then train tower and projector."""
    sample = torch.from_numpy(np.stack([train[0, index]["input_features"] for index in range(512)]))
    fold_feature_statistics(backbone.model, sample.mean(dim=(0, 2)), float(sample.std()))
    return _fit(
        EarModule(backbone.model, heads, ear.optim.build(OPTIMIZERS, "ear.optim")),
        DataLoader(train, sampler=EpochSampler(ear.batch_size * 1000), batch_size=ear.batch_size),
        DataLoader(validation, sampler=EpochSampler(2048), batch_size=ear.batch_size),
        ear.steps,
        CSVLogger(out, name="", version="log/ear"),
    )


def _fit(
    module: lightning.LightningModule,
    train: DataLoader[Any],
    validation: DataLoader[Any],
    steps: int,
    logger: CSVLogger,
) -> dict[str, float]:
    """Train for `steps` steps; returns the last validation figures."""
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        gradient_clip_val=1.0,
        logger=logger,
        enable_checkpointing=False,
        log_every_n_steps=min(20, steps),
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train, validation)
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
