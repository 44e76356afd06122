"""Room data: the LightningDataModule, from a source of songs to batches."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from torch.utils.data import DataLoader

from mixlab.data.collate import Collator
from mixlab.data.dataset import (
    EpochSampler,
    ExampleMaker,
    ProblemDataset,
    TrainingDataset,
    TrainingExamples,
    frozen_problems,
)
from mixlab.data.encoder import ChatEncoder
from mixlab.data.transport import send_small_tensors_by_value
from mixlab.errors import ConfigError
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, Segment, list_segments
from mixlab.multitrack.song import MultitrackSource
from mixlab.multitrack.store import SongStore
from mixlab.synthesis.anchor import fixed_anchor
from mixlab.synthesis.augment import Augmentation, CrossSong
from mixlab.synthesis.draw import ProblemProtocol, draw_problem, drawable
from mixlab.synthesis.example import Inputs
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSettings:
    """How examples are served.

    Attributes:
        segment_s: length of a segment.
        segment_step_s: grid of segment starts of training songs.
        batch_size, eval_batch_size: examples a batch, for training and for generation.
        examples_per_epoch: training examples between two validations.
        workers: processes that make examples; 0 makes them in the training process.
        prepare_workers: processes that prepare songs.
        gates: what segments and stems of training songs must reach.
        augmentation: what is changed in training examples.
    """

    segment_s: float
    segment_step_s: float
    batch_size: int
    eval_batch_size: int
    examples_per_epoch: int
    workers: int
    prepare_workers: int
    gates: Gates
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class FrozenItems:
    """Which items validation and test use, for any training run.

    Attributes:
        seed: of all draws.
        protocol: their errors, prompts and levels.
        items_per_song: test items of each song.
        validation_items_per_song: likewise.
        segment_step_s: grid of segment starts.
        gates: what segments and stems must reach.
    """

    seed: int
    protocol: ProblemProtocol
    items_per_song: int
    validation_items_per_song: int
    segment_step_s: float
    gates: Gates


@dataclass(frozen=True)
class TrueBalance:
    """What songs deviate from and how far: typical loudness by genre and stem relative to the bass, and a deviation."""

    balance_db: Mapping[str, Mapping[str, float]]
    sigma_db: float


class MixDataModule(lightning.LightningDataModule):
    """Serves training examples and frozen items of a source of songs.

    Args:
        source: where songs come from.
        encoder: the model's encoder.
        protocol: how training problems are drawn.
        inputs: which clips the model hears.
        settings: segments, batches, workers.
        frozen: validation and test items.
        cache_dir: where stores lie.
        seed: of the training examples.
        features_in_worker: batches carry features, computed where examples are made, instead of waveforms.

    Raises:
        ConfigError: if stems of several songs are to be mixed, and the songs are no demo songs.
    """

    def __init__(
        self,
        source: MultitrackSource,
        encoder: ChatEncoder,
        protocol: ProblemProtocol,
        inputs: Inputs,
        settings: DataSettings,
        frozen: FrozenItems,
        cache_dir: Path,
        seed: int,
        features_in_worker: bool,
    ) -> None:
        super().__init__()
        if settings.augmentation.cross_song_probability > 0 and not isinstance(source, DemoSource):
            raise ConfigError(
                f"data.augmentation.cross_song_probability is {settings.augmentation.cross_song_probability:g}, but "
                "there is no true balance between stems of different songs unless they were made to one, as demo songs "
                "are; set it to 0 or choose dataset=demo."
            )
        self.source, self.encoder, self.protocol, self.inputs = source, encoder, protocol, inputs
        self.settings, self.frozen, self.cache_dir, self.seed = settings, frozen, cache_dir, seed
        self.features_in_worker = features_in_worker
        self.dropped: dict[str, dict[str, int]] = {}
        """For each split, how many songs and segments each gate dropped."""
        self.segments: dict[str, list[Segment]] = {}
        self.store: SongStore

    @property
    def can_vary(self) -> bool:
        """Whether problems other than those it serves can be made audible, as probes need."""
        return True

    def prepare_data(self) -> None:
        """Bring the songs into the store."""
        prepare(self.source, self.cache_dir, self.encoder.sample_rate, self.settings.prepare_workers)

    def setup(self, stage: str | None = None) -> None:
        """List the segments of every split.

        Raises:
            ConfigError: if no training segment is left.
        """
        if self.segments:
            return
        self.store = prepare(self.source, self.cache_dir, self.encoder.sample_rate, self.settings.prepare_workers)
        for split in sorted({song.split for song in self.store.songs.values()}):
            rules = self.settings if split == "train" else self.frozen
            segments, dropped = list_segments(
                self.store,
                self.store.split(split),
                fixed_anchor(self.protocol.anchor),
                self.settings.segment_s,
                rules.segment_step_s,
                rules.gates,
            )
            able = drawable(segments, self.protocol if split == "train" else self.frozen.protocol)
            if len(able) < len(segments):
                dropped["segments_without_target"] = len(segments) - len(able)
            self.segments[split], self.dropped[split] = able, dict(Counter(dropped))
        if not self.segments.get("train"):
            raise ConfigError(
                f"No segment of {self.settings.segment_s:g} s with {self.needs} is left to train on "
                f"(dropped: {self.dropped.get('train', {})}); choose another anchor, loosen data.gates or check "
                "dataset.root."
            )
        for split in ("validation", "test"):
            if not self.segments.get(split):
                log.warning(
                    "No %s items are left (dropped: %s)", split, self.dropped.get(split, "no songs in the split")
                )

    @property
    def needs(self) -> str:
        """What a segment must have, in words."""
        anchor = fixed_anchor(self.protocol.anchor)
        return "two active stems" if anchor is None else f"an active '{anchor}' and another active stem"

    def maker(self, protocol: ProblemProtocol | None = None) -> ExampleMaker:
        """What makes examples, under the training protocol unless another one is given."""
        return ExampleMaker(self.store, protocol or self.protocol, self.inputs, self.encoder)

    def training_dataset(self) -> TrainingExamples:
        """Training examples by (epoch, index)."""
        segments, augmentation = self.segments["train"], self.settings.augmentation
        cross_song = None
        if augmentation.cross_song_probability > 0 and isinstance(self.source, DemoSource):
            balance_db = {genre: self.source.balance_db(genre) for s in segments if (genre := s.genre) is not None}
            cross_song = CrossSong(self.store, segments, balance_db, self.source.sigma_db, self.protocol.level)
        return TrainingDataset(self.maker(), segments, self.seed, augmentation, cross_song)

    def problems(self, split: str) -> list[Problem]:
        """The frozen items of a split; empty if it has no segments."""
        per_song = self.frozen.validation_items_per_song if split == "validation" else self.frozen.items_per_song
        segments = self.segments.get(split, [])
        return frozen_problems(segments, self.frozen.protocol, per_song, self.frozen.seed, split)

    def tuning_problems(self, count: int) -> list[Problem]:
        """Problems on training songs, on which the baselines are fitted; a function of the evaluation's seed."""
        segments = drawable(self.segments["train"], self.frozen.protocol)
        problems = []
        for index in range(count):
            rng = generator(self.frozen.seed, "tuning", index)
            segment = segments[rng.integers(len(segments))]
            problems.append(draw_problem(segment, self.frozen.protocol, rng, f"tuning-{index}"))
        return problems

    def song_lufs(self, problem: Problem) -> Mapping[str, float]:
        """Integrated loudness of the stems over the whole unmodified song, at the source's own rate."""
        return self.store.songs[problem.song_id].song_lufs

    def true_balance(self) -> TrueBalance | None:
        """What the songs' balance was drawn from: known for demo songs, None for all others."""
        if not isinstance(self.source, DemoSource):
            return None
        genres = sorted({str(song.genre) for song in self.store.songs.values()})
        return TrueBalance({genre: self.source.balance_db(genre) for genre in genres}, self.source.sigma_db)

    def notes(self) -> list[str]:
        """Sentences for the report on what sets these items apart; none for items drawn from songs."""
        return []

    def feature_statistics(self, examples: int = 64) -> tuple[np.ndarray, float]:
        """Mean of each mel band, shape (mels,), and one deviation, over training examples of the chosen inputs."""
        dataset = self.training_dataset()
        features = np.concatenate([self.encoder.features(dataset[0, index].waveforms) for index in range(examples)])
        return features.mean(axis=(0, 2)), float(features.std())

    def train_dataloader(self) -> DataLoader[Any]:
        """Training examples; of a resumed run, from the very next one on that it has not trained on."""
        return self._loader(
            self.training_dataset(),
            batch_size=self.settings.batch_size,
            sampler=self._training_sampler(),
            collate_fn=Collator(self.encoder, self.features_in_worker),
            workers=self.settings.workers,
        )

    def _training_sampler(self) -> EpochSampler:
        if self.trainer is None:
            return EpochSampler(self.settings.examples_per_epoch)
        processes = self.trainer.world_size
        sampler = EpochSampler(self.settings.examples_per_epoch, self.trainer.global_rank, processes)
        # Lightning has restored its progress by now, and asks for examples before it tells the sampler the epoch.
        batches: int = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        examples = batches * self.settings.batch_size * processes
        sampler.go_on(self.trainer.current_epoch, examples if examples < self.settings.examples_per_epoch else 0)
        return sampler

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Two loaders over the same items: with responses for the loss, and prompts alone for generation."""
        problems = self.problems("validation")
        dataset = ProblemDataset(self.maker(self.frozen.protocol), problems, with_response=True)
        collate = Collator(self.encoder, self.features_in_worker)
        teacher = self._loader(dataset, batch_size=self.settings.eval_batch_size, collate_fn=collate, workers=0)
        return [teacher, self.generation_loader(problems)]

    def generation_loader(
        self, problems: Sequence[Problem], audio_of: Sequence[Problem] | None = None
    ) -> DataLoader[Any]:
        """Prompts of the given problems, padded on the left, with their examples.

        Args:
            audio_of: for each problem the one whose clips are heard in place of its own, for probes.
        """
        return self._loader(
            ProblemDataset(self.maker(self.frozen.protocol), problems, with_response=False, audio_of=audio_of),
            batch_size=self.settings.eval_batch_size,
            collate_fn=Collator(self.encoder, self.features_in_worker, left=True, keep_examples=True),
            workers=0,
        )

    def _loader(self, dataset: Any, workers: int, **options: Any) -> DataLoader[Any]:
        # Spawned workers: a fork of a process that already runs torch threads may hang.
        return DataLoader(
            dataset,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=send_small_tensors_by_value if workers else None,
            **options,
        )
