"""Two processes that train together learn what one with the same global batch learns."""

import json
from dataclasses import replace

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from mixlab.chat.encoder import ChatEncoder
from mixlab.items.drawn import DrawnItems
from mixlab.models import adapters
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.loss import LossSettings, mean_over_processes
from mixlab.models.module import AdviceModule
from mixlab.models.optim import AdamWCosine
from mixlab.training.data import MixDataModule

GLOBAL_BATCH, STEPS = 4, 4


class Curve(Callback):
    """Keeps the loss of every step and sums of the weights that it ends with."""

    def __init__(self, path):
        self.path, self.losses = path, []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append(float(trainer.callback_metrics["train/loss"]))

    def on_train_end(self, trainer, module):
        weights = [p.detach().double().sum().item() for p in module.parameters() if p.requires_grad]
        content = {"losses": self.losses, "weights": weights}
        self.path.with_name(f"{self.path.name}-{trainer.global_rank}.json").write_text(json.dumps(content))


def data_module(source, small_settings, batch_size):
    few = (f"data.batch_size={batch_size}", f"data.examples_per_epoch={GLOBAL_BATCH * STEPS}", "inputs=anchor_rest")
    bank = DrawnItems(source, small_settings(*few), 16000)
    return MixDataModule(bank, ChatEncoder(Tiny("listener").read_chat()), features_in_worker=True)


@pytest.mark.slow
def test_two_processes_have_equal_weights_and_the_loss_curve_of_one_with_the_same_global_batch(
    demo_source, demo_store, small_settings, tmp_path
):
    assert demo_store.songs
    for processes in (1, 2):
        base = Tiny("listener").build()
        torch.manual_seed(0)
        model = adapters.lora(base, 4, 2.0, 0.0, adapters.LANGUAGE_MODEL_LINEARS, True)
        # Without the helpers: transformers forgets how to record hidden states when a model travels to another process.
        loss = LossSettings(decisive_weight=5.0, number_sigma_db=1.0)
        module = AdviceModule(replace(base, model=model), loss, AdamWCosine(1e-3, 0.01, 1, 4.0), max_new_tokens=2)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=processes,
            strategy="ddp_spawn" if processes > 1 else "auto",
            max_steps=STEPS,
            gradient_clip_val=1.0,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[Curve(tmp_path / str(processes))],
            default_root_dir=tmp_path,
        )
        trainer.fit(module, datamodule=data_module(demo_source, small_settings, GLOBAL_BATCH // processes))
    alone, first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1-0", "2-0", "2-1"))
    assert len(alone["losses"]) == STEPS
    assert first == second
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-5)


def test_the_shares_of_processes_average_to_the_mean_of_all_values(monkeypatch):
    """Of 2 and 6 values: a mean of means would weigh the two as much as the six."""
    shares = [torch.tensor([1.0, 2.0]), torch.arange(6.0)]
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda count: count.fill_(8.0))
    averaged = sum(mean_over_processes(values) for values in shares) / 2
    torch.testing.assert_close(averaged, torch.cat(shares).mean())
