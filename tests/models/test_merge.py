"""Merged weights: a plain transformers folder that answers as the adapter on its backbone does."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
import torch
from transformers import Qwen2AudioForConditionalGeneration

from mixlab.errors import CheckpointError, InputFileError
from mixlab.models import adapters
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import DESCRIPTION, fingerprint, load_trained, save_trained
from mixlab.models.merge_command import MergeSettings, merge
from tests.commands import refused

from .conftest import small_lora
from .test_checkpoints import describe

IDS = torch.arange(20, 40)[None]
ADAPTERS = {
    "lora": small_lora,
    "dora": lambda m: small_lora(m, use_dora=True),
    "rslora": lambda m: adapters.rslora(m, 4, 4.0, 0.0, adapters.LANGUAGE_MODEL_LINEARS, True),
    "qlora": lambda m: small_lora(m, adapters.qlora),
    "frozen_projector": lambda m: small_lora(m, train_projector=False),
    "full": adapters.full,
    "none": adapters.none,
}


@pytest.fixture
def trained(tmp_path):
    """Saves a model whose trained weights are not those that it started with."""

    def save(kind):
        base = Tiny("listener").build()
        description = describe(
            arguments={"base": "listener"},
            feature_mean=None,
            feature_deviation=None,
            quantization="nf4" if kind == "qlora" else None,
            base_fingerprint=fingerprint(base.model),
        )
        model = ADAPTERS[kind](base)
        torch.manual_seed(0)
        with torch.no_grad():
            for tensor in adapters.trainable_state(model).values():
                tensor.add_(torch.randn_like(tensor), alpha=0.02)
        save_trained(tmp_path / "run" / "adapter", replace(base, model=model), description)
        return tmp_path / "run"

    return save


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("kind", ADAPTERS)
def test_merged_weights_answer_as_the_adapter_on_its_backbone_does(trained, tmp_path, kind):
    run = trained(kind)
    merge(MergeSettings(checkpoint=str(run), out=str(tmp_path / "merged")))
    merged, loading = Qwen2AudioForConditionalGeneration.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not any(loading.values())
    expected = logits(load_trained(run, full_precision=True).backbone.model)
    torch.testing.assert_close(logits(merged), expected, atol=1e-4, rtol=0)
    if kind != "none":
        assert not torch.allclose(expected, logits(Tiny("listener").build().model), atol=1e-2)


def test_only_an_adapter_with_a_frozen_projector_is_said_to_serve_alone(trained, tmp_path):
    for kind, alone in (("lora", False), ("frozen_projector", True)):
        said = merge(MergeSettings(checkpoint=str(trained(kind)), out=str(tmp_path / kind)))
        assert ("can be served as it is" in said) is alone


def test_a_folder_with_content_is_left_alone(trained, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "song.wav").write_text("song")
    with pytest.raises(InputFileError, match="is not an empty folder"):
        merge(MergeSettings(checkpoint=str(trained("lora")), out=str(tmp_path / "mine")))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["song.wav"]


def test_an_adapter_for_another_backbone_is_refused_and_nothing_written(trained, tmp_path):
    run = trained("lora")
    path = run / "adapter" / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"arguments": {"base": None, "seed": 3}}))
    with pytest.raises(CheckpointError, match=r"was trained on another backbone than tiny \{'base': None, 'seed': 3\}"):
        merge(MergeSettings(checkpoint=str(run), out=str(tmp_path / "merged")))
    assert not (tmp_path / "merged").exists()


def test_the_adapter_folder_loads_with_plain_peft_and_transformers_without_mixlab(trained, tmp_path):
    run = trained("lora")
    torch.save(logits(load_trained(run).backbone.model), tmp_path / "expected.pt")
    code = """
        import sys, torch

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "mixlab":
                    raise ImportError("mixlab is not there")

        sys.meta_path.insert(0, Blocked())
        from peft import PeftConfig, PeftModel
        from safetensors.torch import load_file
        from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

        folder, expected = sys.argv[1:]
        config = PeftConfig.from_pretrained(folder)
        base = Qwen2AudioForConditionalGeneration.from_pretrained(config.base_model_name_or_path)
        model = PeftModel(base, config)
        found = model.load_adapter(folder, "default")
        adapter = [name for name in found.missing_keys if "lora_" in name or "modules_to_save" in name]
        assert not adapter and not found.unexpected_keys, found
        Qwen2AudioProcessor.from_pretrained(folder)
        model.eval()
        with torch.no_grad():
            logits = model(input_ids=torch.arange(20, 40)[None]).logits
        assert torch.equal(logits, torch.load(expected))
        assert "mixlab" not in sys.modules
        print("loaded")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(run / "adapter"), str(tmp_path / "expected.pt")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert done.stdout == "loaded\n", done.stderr[-2000:]


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path):
    said = refused(tmp_path, "merge", f"checkpoint={tmp_path}", f"out={tmp_path}/merged")
    assert "is neither a run folder nor an adapter folder" in said
