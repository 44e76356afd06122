"""A lab's own module adds a family, an adapter, an input layout and a model, and nothing in the package is touched."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

OWN = '''
"""Registers what our lab has of its own."""

from peft import LoraConfig, get_peft_model

from mixlab.models.adapters import ADAPTERS, Adapter
from mixlab.models.backbones.base import FAMILIES
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.synthesis.example import LAYOUTS, Layout


def anchor_last(order):
    return [order[1:], order[:1]]


def introduce(stems, anchor):
    return "Here is " + " and ".join(stems) + ":"


def queries(backbone, r: int):
    """LoRA on the queries alone."""
    config = LoraConfig(r=r, lora_alpha=r, target_modules=r".*language_model.*q_proj", task_type="CAUSAL_LM")
    return get_peft_model(backbone.model, config)


class OurAudio(Qwen2Audio):
    name = "our_audio"
    model_types = ("our_audio",)


LAYOUTS.add(Layout("anchor_last", "the anchor after the others", anchor_last, introduce))
ADAPTERS.add(Adapter("queries", queries))
FAMILIES.add(OurAudio())
'''

TRAIN = (
    "name=own", "plugins=[our_lab]", "dataset=demo_small", "inputs.layout=anchor_last", "adapter=none",
    "adapter.kind=queries", "+adapter.r=2", "model=our_tiny", "loss=cross_entropy", "trainer.max_steps=2",
    "data.examples_per_epoch=4", "data.batch_size=2", "evaluation/baselines=none", "evaluation.items_per_song=1",
    "evaluation.tuning_items=4", "evaluation.audio_examples=0", "evaluation.resamples=10", "data.workers=1",
)  # fmt: skip


@pytest.fixture
def lab(tmp_path):
    """A folder with a module and a configuration of a user's own; runs mixlab there."""
    (tmp_path / "our_lab.py").write_text(OWN)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    model = "builder: from_pretrained\narguments: {name: base, revision: null, dtype: float32}\nmax_new_tokens: 8\n"
    (tmp_path / "conf" / "model" / "our_tiny.yaml").write_text(model)

    def run(*words):
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.run(
            [sys.executable, "-m", "mixlab", *words], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    return run


def own_base(folder):
    """The tiny base as a model of the lab's own type."""
    from transformers import Qwen2AudioConfig

    from mixlab.models.backbones.tiny import Tiny

    assert Qwen2AudioConfig.model_type == "qwen2_audio"
    Tiny("listener").build().save(folder)


@pytest.mark.slow
def test_what_a_lab_registers_trains_and_evaluates(lab, tmp_path):
    own_base(tmp_path / "base")
    trained = lab("train", *TRAIN, "--config-dir", "conf")
    assert trained.returncode == 0, trained.stderr[-3000:]
    (run,) = (tmp_path / "outputs" / "own").iterdir()
    described = json.loads((run / "adapter" / "mixlab.json").read_text())
    assert described["inputs"] == "anchor_last"
    again = lab("evaluate", f"checkpoint={run}", "plugins=[our_lab]", "out=again")
    assert again.returncode == 0, again.stderr[-3000:]
    without = lab("evaluate", f"checkpoint={run}", "out=without")
    assert without.returncode == 2
    assert "there is no input layout 'anchor_last'" in without.stderr


def test_a_family_of_ones_own_is_found_by_its_model_type(tmp_path):
    (tmp_path / "our_lab.py").write_text(OWN)
    code = """
        from mixlab.registry import load_plugins
        from mixlab.models.backbones.base import FAMILIES, family_of
        load_plugins(["our_lab"])
        assert family_of("our_audio", "it").name == "our_audio"
        assert {"qwen2_audio", "voxtral", "cascade", "our_audio"} <= set(FAMILIES)
        from mixlab.models.adapters import ADAPTERS
        assert "queries" in ADAPTERS and "lora" in ADAPTERS
        print("found")
    """
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "found\n", done.stderr[-2000:]
