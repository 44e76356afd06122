"""In the training loop nothing is read back from the device, so that a GPU never waits for the next order."""

import copy
import traceback
from collections import Counter

import lightning
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioModel

from mixlab.models.backbones.base import Backbone
from mixlab.models.backbones.qwen2_audio import taken_over
from mixlab.models.compute import apply_compute
from mixlab.models.module import AdviceModule
from mixlab.models.settings import Compute, LossSettings

from .conftest import ROLES, adamw, make_problem, small_lora

READ = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "unique_dim", "_unique2", "equal"}
"""Operations whose answer, or the shape of it, a program has to know before it goes on."""


class Reads(TorchDispatchMode):
    """Notes who asks for values of tensors. On a CPU: what a GPU would have to be waited for is the same."""

    def __init__(self):
        super().__init__()
        self.found = Counter()
        self.seen = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen += 1
        name = function.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if name in READ or masks:
            stack = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_stack()]
            stack = [line for line in stack if "torch/_" not in line][:-1]
            if not on_the_host(stack):
                self.found[f"{name} by {stack[-1]}"] += 1
        return function(*args, **(kwargs or {}))


def on_the_host(stack):
    """Whether what is read lies on the host in any case: the optimizer's count of steps, a batch before it moves."""
    return "torch/optim/" in stack[-1] or any("in transfer_batch_to_device" in line for line in stack)


class FromTheSecondStep(lightning.Callback):
    """Lets `reads` see what is done from the end of the first step to that of the third."""

    def __init__(self, reads):
        self.reads = reads

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == 0:
            self.reads.__enter__()
        if batch_idx == 2:
            self.reads.__exit__(None, None, None)


@pytest.fixture
def reads_of(base, make_batch):
    """What two steps after the first read back, for an adapted model and given weights of the loss."""

    def count(settings, recompute=False):
        torch.manual_seed(0)
        model = small_lora(base)
        backbone = Backbone(model, base.processor, base.family)
        compute = Compute(attention="sdpa", compile=False, recompute_activations=recompute)
        apply_compute(compute, backbone)
        module = AdviceModule(backbone, settings, adamw(), 2, ROLES)
        batches = [make_batch([make_problem(0), make_problem(1, stems=("bass", "other"))], features=False)] * 3
        reads = Reads()
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_steps=3,
            gradient_clip_val=1.0,
            callbacks=[FromTheSecondStep(reads)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))
        return reads

    return count


@pytest.mark.parametrize(
    ("settings", "recompute"),
    [
        (LossSettings(), False),
        (LossSettings(), True),
        (LossSettings(decisive_weight=5.0, gain_weight=1.0, move_weight=1.0, number_sigma_db=1.0), False),
    ],
)
def test_a_step_of_training_reads_nothing_back(reads_of, settings, recompute):
    reads = reads_of(settings, recompute)
    assert reads.seen > 1000
    assert not reads.found


def test_what_is_read_would_be_noticed():
    mask = torch.tensor([True, False])
    with Reads() as reads:
        bool(mask.all())
        mask.sum().item()
        mask[mask]
        torch.zeros(2)[mask] = 1.0
    assert reads.found.total() == 4


def test_as_many_audio_tokens_as_states_are_needed(base, make_batch):
    batch = make_batch([make_problem(0)])
    place = (batch["input_ids"][0] == base.chat.audio_token_id).nonzero()[0]
    batch["input_ids"][0, place] = base.chat.pad_token_id
    with pytest.raises(RuntimeError, match="audio tokens"):
        base.model(**base.family.inputs(batch))


@pytest.mark.parametrize("trains", [False, True])
def test_texts_with_filled_slots_and_gradients_are_those_of_transformers(base, make_batch, trains):
    theirs = copy.deepcopy(base.model)
    theirs.model = taken_over(theirs.model, Qwen2AudioModel)
    batch = make_batch([make_problem(0), make_problem(1, stems=("bass", "other"))])
    outputs = []
    for model in (base.model, theirs):
        model.model.audio_tower.requires_grad_(trains)
        logits = model(**base.family.inputs(batch)).logits
        logits.square().mean().backward()
        outputs.append([logits, *(p.grad for p in model.parameters() if p.requires_grad)])
    for ours, expected in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, expected)
