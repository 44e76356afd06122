"""Room pretraining: make the tiny describing base from its own songs, with its log and its card."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader
from transformers import Qwen2AudioForConditionalGeneration

from mixlab.data.dataset import EpochSampler
from mixlab.data.encoder import ChatEncoder
from mixlab.errors import ConfigError
from mixlab.language import templates
from mixlab.models.backbone import Backbone, fold_feature_statistics, save_backbone, tiny_config, tiny_processor
from mixlab.models.optim import AdamWCosine
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.multitrack.song import STEMS
from mixlab.multitrack.store import prepare
from mixlab.pretraining import questions
from mixlab.pretraining.dataset import DescribingDataset, DescribingProtocol, collate_described
from mixlab.pretraining.module import ListenerModule

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> None:
    """Make the base that the configuration of `python -m mixlab.pretrain` describes, with its card."""
    out = Path(cfg.out)
    started = time.monotonic()
    figures = pretrain(
        instantiate(cfg.dataset),
        DescribingProtocol(**cfg.protocol),
        instantiate(cfg.optim),
        Gates(**cfg.gates),
        Path(cfg.paths.cache),
        out,
        steps=cfg.steps,
        batch_size=cfg.batch_size,
        segment_s=cfg.segment_s,
        workers=cfg.workers,
        threads=cfg.threads,
        seed=cfg.seed,
    )
    kept = [str(key) for key in cfg if key not in ("out", "paths")]
    recipe = OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, kept), resolve=True)
    card = resources.files("mixlab.pretraining").joinpath("card.md").read_text()
    lines = [f"| {name.removeprefix('val/').replace('_', ' ')} | {value:.3f} |" for name, value in figures.items()]
    minutes = (time.monotonic() - started) / 60
    (out / "README.md").write_text(card.format(figures="\n".join(lines), recipe=recipe, minutes=f"{minutes:.0f}"))
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
    return Backbone(Qwen2AudioForConditionalGeneration(config), processor)


def pretrain(
    source: DemoSource,
    protocol: DescribingProtocol,
    optim: AdamWCosine,
    gates: Gates,
    cache_dir: Path,
    out: Path,
    *,
    steps: int,
    batch_size: int,
    segment_s: int,
    workers: int,
    threads: int,
    seed: int,
) -> dict[str, float]:
    """Train the describing base and write it to `out`.

    Args:
        source: songs with ``purpose="listening"``, which no experiment uses.
        steps: optimizer steps.
        workers: processes that make examples.
        threads: of the training process.

    Returns:
        The last validation figures: mean absolute error of numbers in dB, accuracy of the other meaningful words, and
        of the genre.

    Raises:
        ConfigError: if the songs are not listening songs.
    """
    if source.purpose != "listening":
        raise ConfigError(f"dataset.purpose is '{source.purpose}'; the base is made from 'listening' songs only.")
    torch.set_num_threads(threads)
    lightning.seed_everything(seed)
    backbone = new_backbone(source, segment_s, seed)
    encoder = ChatEncoder(backbone.processor)
    store = prepare(source, cache_dir, encoder.sample_rate, workers=torch.multiprocessing.cpu_count())
    bpm = {entry.song_id: source.composition(entry).tempo_bpm for entry in source.entries()}
    genres = sorted({str(song.genre) for song in store.songs.values()})

    def dataset(split: str) -> DescribingDataset:
        segments, _ = list_segments(store, store.split(split), "bass", segment_s, 1.0, gates)
        return DescribingDataset(store, segments, bpm, genres, STEMS, words(), protocol, encoder, seed)

    collate = partial(collate_described, pad_token_id=encoder.pad_token_id)
    training = dataset("train")
    sample = collate([training[0, index] for index in range(64)])["input_features"]
    fold_feature_statistics(backbone.model, sample.mean(dim=(0, 2)), float(sample.std()))
    per_epoch = batch_size * 200
    loaders: dict[str, Any] = {"batch_size": batch_size, "collate_fn": collate}
    train_loader = DataLoader(
        training,
        sampler=EpochSampler(per_epoch),
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
        **loaders,
    )
    val_loader = DataLoader(dataset("validation"), sampler=EpochSampler(256), **loaders)
    module = ListenerModule(backbone, optim, genres=len(genres), stems=len(STEMS))
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        gradient_clip_val=1.0,
        logger=CSVLogger(out, name="", version="log"),
        enable_checkpointing=False,
        log_every_n_steps=min(20, steps),
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train_loader, val_loader)
    save_backbone(backbone, out)
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
