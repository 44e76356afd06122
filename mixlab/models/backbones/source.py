"""Where the parts of a backbone come from: the Hugging Face Hub or a folder; code that lies there never runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from transformers import AutoFeatureExtractor, AutoTokenizer, PreTrainedConfig

from mixlab.errors import CheckpointError, ConfigError

TINY_FOLDER = Path(str(resources.files("mixlab.models"))) / "tiny_listener"
"""The tiny describing base that comes with the package: configuration, processor, weights, card and log."""

Architectures = dict[str, dict[str, Any]]
"""Shapes of models of the hub by their ids, as in a ``config.json``, so that they are known without a network."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class Source:
    """A model on the hub or in a folder, and the key of the configuration that names it.

    Attributes:
        key: such as ``audio_encoder``.
        value: ``listener`` for the parts of the tiny base that comes with the package, a folder, or a hub id, to which
            ``@`` and a revision may be added.
        remedy: what else to do about one that cannot be loaded.
        pinned: the revision, where it is not in the value.
    """

    key: str
    value: str
    remedy: str = ""
    pinned: str | None = None

    @property
    def place(self) -> tuple[str, str | None]:
        """Folder or hub id, and revision."""
        if self.value == "listener":
            return str(TINY_FOLDER), None
        if Path(self.value).is_dir() or "@" not in self.value:
            return self.value, self.pinned
        name, _, revision = self.value.partition("@")
        return name, revision

    def read(self, load: Callable[..., Read], **arguments: Any) -> Read:
        """What `load` reads from there.

        Raises:
            ConfigError: if it cannot.
        """
        name, revision = self.place
        try:
            return load(name, revision=revision, **arguments)
        except (OSError, ValueError, ImportError) as error:
            first_line = str(error).strip().splitlines()[0].rstrip(".")
            raise ConfigError(
                f"model.arguments.{self.key} is '{self.value}', which cannot be loaded ({first_line}); {self.remedy}"
                "check the id and the network, or give a local folder that holds it, as in "
                f"model.arguments.{self.key}=/path/to/folder."
            ) from error

    def weights(self, model_class: Any, **arguments: Any) -> tuple[Any, list[str]]:
        """A model, and the names of weights that it lacks or that do not fit.

        Raises:
            ConfigError: if it cannot be loaded.
        """
        more = {"output_loading_info": True, "trust_remote_code": False}
        model, loading = self.read(model_class.from_pretrained, **more, **arguments)
        return model, sorted({*loading["missing_keys"], *loading["mismatched_keys"]})

    def whole(self, model_class: Any, **arguments: Any) -> Any:
        """A model with all its weights.

        Raises:
            ConfigError: if it cannot be loaded.
            CheckpointError: if weights are missing.
        """
        model, missing = self.weights(model_class, **arguments)
        self.check_weights(missing)
        return model

    def check_weights(self, missing: list[str]) -> None:
        """Raise CheckpointError if weights are missing."""
        if missing:
            raise CheckpointError(f"The weights of '{self.value}' do not fit: {missing[:5]} are missing.")

    def config(self, known: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
        """Its config.json, without looking up a class and without what names code of its own.

        Args:
            known: architectures that are known by their id, which need no network.

        Raises:
            ConfigError: if it cannot be loaded.
        """
        found = (known or {}).get(self.place[0]) or self.read(PreTrainedConfig.get_config_dict)[0]
        return {key: value for key, value in found.items() if key != "auto_map"}


@dataclass(frozen=True)
class Pair:
    """A tokenizer and a feature extractor, where a processor would need packages that nothing here uses.

    Its folder loads with transformers' Auto classes.
    """

    tokenizer: Any
    feature_extractor: Any

    @classmethod
    def read(cls, name: str, revision: str | None, tokenizer: Any = None) -> Pair:
        """From a hub id or a folder.

        Args:
            tokenizer: in the place of the one there.
        """
        return cls(
            tokenizer or AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False),
            AutoFeatureExtractor.from_pretrained(name, revision=revision, trust_remote_code=False),
        )

    def save_pretrained(self, folder: Path) -> None:
        """Write both into a folder that `read` reads."""
        self.tokenizer.save_pretrained(folder)
        self.feature_extractor.save_pretrained(folder)
