"""A run that is stopped anywhere goes on with the very next example: batches compared as bytes."""

import hashlib
from pathlib import Path

import lightning
import pytest
import torch

from mixlab.chat.datasets import EpochSampler
from mixlab.items.drawn import DrawnItems
from mixlab.training.callbacks import SaveLast
from mixlab.training.data import MixDataModule

EPOCH_EXAMPLES, BATCH, STEPS = 12, 4, 8
"""Three batches an epoch, and a run that ends in the middle of the third epoch."""


class Listener(lightning.LightningModule):
    """Trains one weight and notes the bytes of every batch."""

    def __init__(self, stop_at=None, notes=None):
        super().__init__()
        self.notes = notes
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.heard, self.stop_at = [], stop_at

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return batch

    def training_step(self, batch, batch_idx):
        if self.stop_at == self.global_step:
            raise Killed
        features = batch["input_features"]
        self.heard.append(hashlib.sha256(features.numpy().tobytes() + batch["input_ids"].numpy().tobytes()).hexdigest())
        if self.notes is not None:
            rank = self.trainer.global_rank
            (self.notes / f"{self.global_step}-{rank}").write_text(" ".join(digests_of_examples(batch)))
        return (self.weight - features.mean()) ** 2

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def digests_of_examples(batch):
    """A digest of each example of a batch: its ids without padding and its two clips."""
    clips = batch["input_features"].numpy().reshape(len(batch["input_ids"]), -1)
    rows = zip(batch["input_ids"], batch["attention_mask"].bool(), clips, strict=True)
    return [hashlib.sha256(ids[mask].numpy().tobytes() + sound.tobytes()).hexdigest() for ids, mask, sound in rows]


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def mixes(demo_source, demo_store, small_settings, encoder):
    assert demo_store.songs

    def build(batch_size=BATCH):
        settings = small_settings(
            "inputs=anchor_rest", f"data.batch_size={batch_size}", f"data.examples_per_epoch={EPOCH_EXAMPLES}"
        )
        return MixDataModule(DrawnItems(demo_source, settings, 16000), encoder, features_in_worker=True)

    return build


def fit(data, folder: Path, stop_at=None, resume=None):
    """Train, stopping with an error before a step where asked to; returns the batches heard and the last weight."""
    module = Listener(stop_at)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[SaveLast(folder / "last.ckpt", 1)],
        default_root_dir=folder,
    )
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    except Killed:
        assert stop_at is not None
    return module.heard, module.weight.detach().clone()


@pytest.fixture(scope="module")
def uninterrupted(mixes, tmp_path_factory):
    heard, weight = fit(mixes(), tmp_path_factory.mktemp("whole"))
    assert len(set(heard)) == STEPS
    return heard, weight


@pytest.mark.parametrize("stop_at", range(1, STEPS))
def test_a_run_killed_before_any_step_goes_on_with_the_very_next_batch(mixes, uninterrupted, tmp_path, stop_at):
    before, _ = fit(mixes(), tmp_path, stop_at=stop_at)
    after, weight = fit(mixes(), tmp_path, resume=tmp_path / "last.ckpt")
    assert before + after == uninterrupted[0]
    assert torch.equal(weight, uninterrupted[1])


def test_processes_see_together_in_every_step_what_one_sees():
    alone = list(EpochSampler(EPOCH_EXAMPLES))
    ranks = [list(EpochSampler(EPOCH_EXAMPLES, process, 2)) for process in (0, 1)]
    for step in range(EPOCH_EXAMPLES // BATCH):
        together = [name for rank in ranks for name in rank[step * BATCH // 2 : (step + 1) * BATCH // 2]]
        assert sorted(together) == alone[step * BATCH : (step + 1) * BATCH]


def test_only_the_epoch_that_was_interrupted_starts_in_its_middle():
    sampler = EpochSampler(EPOCH_EXAMPLES)
    sampler.go_on(3, 8)
    assert list(sampler) == [(3, 8), (3, 9), (3, 10), (3, 11)]
    assert len(sampler) == EPOCH_EXAMPLES
    sampler.set_epoch(4)
    assert list(sampler) == [(4, index) for index in range(EPOCH_EXAMPLES)]


@pytest.mark.slow
def test_two_processes_train_together_on_the_bytes_that_one_trains_on(mixes, tmp_path):
    heard = {}
    for processes in (1, 2):
        notes = tmp_path / str(processes)
        notes.mkdir()
        data = mixes(BATCH // processes)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=processes,
            strategy="ddp_spawn" if processes > 1 else "auto",
            max_steps=STEPS,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(Listener(notes=notes), datamodule=data)
        heard[processes] = {
            step: sorted(" ".join(path.read_text() for path in notes.glob(f"{step}-*")).split())
            for step in range(STEPS)
        }
    assert heard[1] == heard[2]
    assert len({digest for step in heard[1].values() for digest in step}) == STEPS * BATCH
