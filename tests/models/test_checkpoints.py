import json
import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from mixlab.errors import CheckpointError, ConfigError
from mixlab.models import adapters, checkpoints
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.source import TINY_FOLDER
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import DESCRIPTION, Description, load_trained, save_trained
from mixlab.models.recipes import located
from mixlab.models.settings import ModelSettings
from mixlab.settings import parse
from mixlab.synthesis.example import Clip

from ..conftest import composed
from .conftest import small_lora

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
    model = small_lora(base)
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


@pytest.fixture
def spoiled(trained):
    """The adapter folder with keys of one of its JSON files changed; None takes a key away."""
    _, folder = trained

    def spoil(file, **changes):
        values = json.loads((folder / file).read_text()) | changes
        (folder / file).write_text(json.dumps({key: value for key, value in values.items() if value != "gone"}))
        return folder

    return spoil


def one_sentence(raised):
    return "\n" not in str(raised.value) and len(str(raised.value)) < 1500


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("segment_s", 0), ("segment_s", -1.0), ("segment_s", 1e9), ("segment_s", "10"), ("segment_s", float("nan")),
        ("anchors", []), ("anchors", "bass"), ("stems", [3]), ("stems", ["x" * 10_000]), ("max_new_tokens", 10**9),
        ("max_new_tokens", True), ("headroom_dbfs", 500.0), ("arguments", ["tiny"]), ("feature_deviation", 0.0),
        ("feature_mean", [float("inf")]), ("quantization", "int1"), ("builder", {}), ("surprise", 1),
        ("inputs", "gone"), ("arguments", {"base": 3}), ("arguments", {"base": None, "unknown": 1}),
        ("arguments", {"base": "./../../elsewhere"}),
    ],
)  # fmt: skip
def test_a_description_with_a_wrong_value_is_refused_in_one_sentence(spoiled, key, value):
    folder = spoiled(DESCRIPTION, **{key: value})
    with pytest.raises(CheckpointError, match=rf"{key}|leads out of its folder") as raised:
        load_trained(folder)
    assert one_sentence(raised)


@pytest.mark.parametrize("file", [DESCRIPTION, "adapter_config.json"])
@pytest.mark.parametrize(
    "content", [b"\xff\xfe{}", b"[" * 100_000, b"[1]", b"", b"{", b'{"a": ' * 5000, b" " * 2_000_000]
)
def test_files_that_are_no_description_are_refused_in_one_sentence(trained, file, content):
    _, folder = trained
    (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{file} cannot be read") as raised:
        load_trained(folder)
    assert one_sentence(raised)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("r", 0), ("r", 10**9), ("r", "4"), ("lora_alpha", -1), ("lora_dropout", 1.5), ("use_dora", 1),
        ("target_modules", 3), ("target_modules", "("), ("target_modules", ""), ("target_modules", ["nothing"]),
        ("modules_to_save", ["(a+)+$"]), ("peft_type", "IA3"), ("peft_type", ["LORA"]), ("init_lora_weights", "pissa"),
        ("rank_pattern", {"(a+)+$": 4}), ("alpha_pattern", {"q_proj": 1}), ("exclude_modules", "(a+)+$"),
        ("layer_replication", [[0, 4]]), ("megatron_config", {"x": 1}), ("megatron_core", "os"), ("bias", "all"),
        ("layers_to_transform", [0]), ("target_parameters", ["x"]), ("trainable_token_indices", [1]),
    ],
)  # fmt: skip
def test_an_adapter_config_that_asks_for_more_than_its_kind_is_refused(spoiled, key, value):
    with pytest.raises(CheckpointError, match=key) as raised:
        load_trained(spoiled("adapter_config.json", **{key: value}))
    assert one_sentence(raised)


def test_an_expression_that_never_ends_is_ended(spoiled, monkeypatch):
    monkeypatch.setattr(checkpoints, "MATCHING_S", 1.0)
    with pytest.raises(CheckpointError, match="takes more than 1 s to match"):
        load_trained(spoiled("adapter_config.json", target_modules=r"(([\w.])+)+(([\w.])+)+!"))


@pytest.mark.parametrize("targets", [r".*\.language_model\.layers\..*_proj", ["q_proj", "k_proj", "v_proj"]])
def test_modules_may_be_named_in_other_ways_that_come_to_the_same(spoiled, trained, targets):
    folder = spoiled("adapter_config.json", target_modules=targets)
    if isinstance(targets, list):  # which names the tower's as well
        with pytest.raises(CheckpointError, match=r"lacks 'base_model\.model\.model\.audio_tower"):
            load_trained(folder)
    else:
        expected, loaded = dict(trained[0].named_parameters()), load_trained(folder).backbone.model
        assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.named_parameters())
        assert loaded.peft_config["default"].target_modules == targets


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(trained, value):
    _, folder = trained
    weights = load_file(folder / "adapter_model.safetensors")
    first = sorted(weights)[0]
    weights[first][0, 0] = value
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=rf"'{first}' in .* holds values that are no finite numbers"):
        load_trained(folder)


def test_weights_of_whole_numbers_are_refused(trained):
    _, folder = trained
    weights = load_file(folder / "adapter_model.safetensors")
    first = sorted(weights)[0]
    save_file(weights | {first: weights[first].to(torch.int8)}, folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"is of torch\.int8"):
        load_trained(folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_code_of_a_folder_is_neither_run_nor_asked_about(tmp_path, file, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked on the terminal"))
    Tiny(base=None).build().save(tmp_path)
    values = json.loads((tmp_path / file).read_text())
    own = {name: f"evil.{name}" for name in ("AutoConfig", "AutoModel", "AutoProcessor", "AutoFeatureExtractor")}
    values["auto_map"] = own | {"AutoTokenizer": ["evil.Slow", "evil.Fast"]}
    (tmp_path / file).write_text(json.dumps(values))
    (tmp_path / "evil.py").write_text("raise SystemExit('remote code ran')\n")
    assert Pretrained(str(tmp_path)).build().chat.tokenizer is not None


def test_the_advisor_that_comes_with_the_package_loads():
    loaded = load_trained(Path(str(resources.files("mixlab.models"))) / "tiny_advisor")
    assert loaded.description.anchors == ("bass",)
    assert loaded.description.stems == ("bass", "drums", "vocals", "other")


def test_what_is_known_of_the_shapes_is_no_part_of_what_a_backbone_is_known_by():
    settings = parse(composed("model=qwen2_audio_7b")["model"], ModelSettings)
    assert "architectures" in settings.arguments
    assert located(settings.arguments) == {
        "name": "Qwen/Qwen2-Audio-7B-Instruct", "revision": None, "dtype": "bfloat16",
    }  # fmt: skip


@pytest.mark.parametrize("template", ["{{ messages.__class__.__mro__[1].__subclasses__() }}", "{% if %}"])
def test_a_chat_template_that_reaches_for_python_or_is_broken_is_refused(tmp_path, template):
    shutil.copytree(TINY_FOLDER, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(template)
    chat = Pretrained(str(tmp_path / "model")).read_chat()
    with pytest.raises(ConfigError, match="The model's chat template cannot be used"):
        chat.conversation([Clip("Bass:", ("bass",), np.zeros(16000, dtype=np.float32))], "")
