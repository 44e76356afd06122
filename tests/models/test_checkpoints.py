import json
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from mixlab.errors import CheckpointError
from mixlab.models import adapters
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import DESCRIPTION, Description, load_trained, save_trained

MEAN, DEVIATION = [0.1] * 64, 0.4


def describe(**changes):
    fields = {
        "builder": "tiny",
        "arguments": {"base": None, "seed": 0},
        "feature_mean": MEAN,
        "feature_deviation": DEVIATION,
        "inputs": "stems",
        "anchors": ["bass"],
        "stems": ["bass", "drums"],
        "segment_s": 10.0,
        "headroom_dbfs": -32.0,
        "max_new_tokens": 8,
    }
    return Description(**(fields | changes))


@pytest.fixture
def trained(tmp_path):
    """An adapter whose weights are not those it starts with, saved."""
    base = describe().build()
    model = adapters.lora(base, 4, 2.0, 0.0, adapters.LANGUAGE_MODEL_LINEARS, train_projector=True)
    with torch.no_grad():
        for tensor in adapters.trainable_state(model).values():
            tensor.normal_(std=0.1)
    save_trained(tmp_path / "adapter", replace(base, model=model), describe())
    return model, tmp_path / "adapter"


def test_a_saved_adapter_loads_bit_for_bit_from_its_run_folder(trained):
    model, folder = trained
    loaded = load_trained(folder.parent)
    expected = dict(model.named_parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.backbone.model.named_parameters())


def test_the_folder_holds_the_adapter_alone_and_not_the_base(trained):
    model, folder = trained
    saved = sum(tensor.numel() for tensor in load_file(folder / "adapter_model.safetensors").values())
    assert saved == sum(tensor.numel() for tensor in adapters.trainable_state(model).values())


def test_the_folder_loads_with_plain_peft(trained):
    model, folder = trained
    plain = PeftModel.from_pretrained(describe().build().model, str(folder))
    expected = adapters.trainable_state(model)
    found = dict(plain.named_parameters())
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_full_weights_load_without_an_adapter(tmp_path):
    base = describe().build()
    model = adapters.full(base)
    with torch.no_grad():
        model.lm_head.weight.normal_()
    save_trained(tmp_path, replace(base, model=model), describe())
    assert torch.equal(load_trained(tmp_path).backbone.model.lm_head.weight, model.lm_head.weight)


def test_a_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="neither a run folder nor an adapter folder"):
        load_trained(tmp_path)


def test_missing_adapter_keys_are_refused_by_name(trained):
    _, folder = trained
    weights = load_file(folder / "adapter_model.safetensors")
    lost = sorted(weights)[0]
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="lack"):
        load_trained(folder)


def test_an_adapter_for_another_shape_is_refused(trained):
    _, folder = trained
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 8}))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_trained(folder)


def test_a_truncated_file_is_refused(trained):
    _, folder = trained
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors cannot be read"):
        load_trained(folder)


def test_a_description_can_name_known_builders_only(trained):
    _, folder = trained
    description = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(description | {"builder": "os.system"}))
    with pytest.raises(CheckpointError, match=r"os\.system"):
        load_trained(folder)


def test_a_description_from_before_there_were_families_is_of_qwen2_audio(trained):
    _, folder = trained
    description = json.loads((folder / DESCRIPTION).read_text())
    assert description.pop("family") == "qwen2_audio"
    (folder / DESCRIPTION).write_text(json.dumps(description))
    assert load_trained(folder).description.family == "qwen2_audio"


def test_a_hub_model_that_cannot_be_reached_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from mixlab.errors import ConfigError

    with pytest.raises(ConfigError, match=r"model\.arguments\.name is 'nobody/nothing'.*local folder"):
        Pretrained("nobody/nothing").build()


def test_a_base_that_is_no_folder_is_named():
    from mixlab.errors import ConfigError

    with pytest.raises(ConfigError, match=r"model\.arguments\.base is '/no/such/folder'"):
        Tiny(base="/no/such/folder").build()


def test_a_real_qwen2_audio_folder_goes_through_the_hub_loader(tmp_path):
    base = Tiny(base=None).build()
    base.save(tmp_path)
    loaded = Pretrained(str(tmp_path)).build()
    assert all(
        torch.equal(a, b)
        for a, b in zip(base.model.state_dict().values(), loaded.model.state_dict().values(), strict=True)
    )
