"""Room training: the LightningDataModule, which serves a bank of items in batches."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
from torch.utils.data import DataLoader

from mixlab.chat.collate import Collator
from mixlab.chat.datasets import EpochSampler, HeldoutExamples, TrainingExamples, generation_loader
from mixlab.chat.encoder import ChatEncoder
from mixlab.chat.transport import send_small_tensors_by_value
from mixlab.items.bank import ItemBank


class MixDataModule(lightning.LightningDataModule):
    """Serves training examples and held-out items of a bank.

    Args:
        bank: of the items.
        encoder: the model's encoder.
        features_in_worker: batches carry features, computed where examples are made, instead of waveforms.
    """

    def __init__(self, bank: ItemBank, encoder: ChatEncoder, features_in_worker: bool) -> None:
        super().__init__()
        self.bank, self.encoder, self.features_in_worker = bank, encoder, features_in_worker

    def prepare_data(self) -> None:
        """Do the bank's long work, in one process."""
        self.bank.prepare()

    def setup(self, stage: str | None = None) -> None:
        """List the bank's items.

        Raises:
            MixlabError: as `ItemBank.setup`.
        """
        self.bank.setup()

    def training_examples(self) -> TrainingExamples:
        """Training examples by (epoch, index)."""
        return TrainingExamples(self.bank.training(), self.bank.training_examples, self.encoder)

    def feature_statistics(self, examples: int = 64) -> tuple[np.ndarray, float]:
        """Mean of each mel band, shape (mels,), and one deviation, over training examples of the chosen inputs."""
        dataset = self.training_examples()
        features = np.concatenate([self.encoder.features(dataset[0, index].waveforms) for index in range(examples)])
        return features.mean(axis=(0, 2)), float(features.std())

    def train_dataloader(self) -> DataLoader[Any]:
        """Training examples; of a resumed run, from the very next one on that it has not trained on."""
        return self._loader(
            self.training_examples(),
            batch_size=self.bank.data.batch_size,
            sampler=self._training_sampler(),
            collate_fn=Collator(self.encoder, self.features_in_worker, roles=self.bank.roles),
            workers=self.bank.data.workers,
        )

    def _training_sampler(self) -> EpochSampler:
        examples_per_epoch = self.bank.data.examples_per_epoch
        if self.trainer is None:
            return EpochSampler(examples_per_epoch)
        world_size = self.trainer.world_size
        sampler = EpochSampler(examples_per_epoch, self.trainer.global_rank, world_size)
        # Lightning has restored its progress by now, and asks for examples before it tells the sampler the epoch.
        loop: Any = self.trainer.fit_loop
        examples = loop.epoch_loop.batch_progress.current.processed * self.bank.data.batch_size * world_size
        sampler.go_on(self.trainer.current_epoch, examples if examples < examples_per_epoch else 0)
        return sampler

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Two loaders over the same items: with responses for the loss, and prompts alone for generation."""
        problems = self.bank.problems("validation")
        dataset = HeldoutExamples(problems, self.bank.examples, self.encoder, with_response=True)
        collate = Collator(self.encoder, self.features_in_worker, roles=self.bank.roles)
        teacher = self._loader(dataset, batch_size=self.bank.data.eval_batch_size, collate_fn=collate, workers=0)
        return [teacher, generation_loader(self.bank, self.encoder, problems, features=self.features_in_worker)]

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
