"""What turns sound into codes: k-means on log-mel frames, and the codecs of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from mixlab.audio.log_mel import LogMel
from mixlab.errors import ConfigError
from mixlab.models.backbones.hearing import flat

CODECS = ("mixlab_kmeans_codec", "encodec", "dac", "mimi")
"""Model types that a unified backbone takes codes from."""

LOG_MEL_KEYS = ("sample_rate", "n_fft", "hop_length", "mels", "window_samples")

WINDOW_S = 30
"""The longest sound for a tower that sets no limit itself."""


class KMeansCodecConfig(PreTrainedConfig):
    """A codebook over the frames of a `LogMel`, whose fields these are, with its size."""

    model_type = "mixlab_kmeans_codec"

    codebook_size: int = 512
    sample_rate: int = 16000
    n_fft: int = 8192
    hop_length: int = 5000
    mels: int = 64
    window_samples: int = 160000


class KMeansCodec(PreTrainedModel):
    """The nearest of K log-mel frames for each frame; a gain moves a frame, and so its code."""

    config_class = KMeansCodecConfig
    main_input_name = "input_features"

    def __init__(self, config: KMeansCodecConfig) -> None:
        super().__init__(config)
        self.centroids = nn.Parameter(torch.zeros(config.codebook_size, config.mels), requires_grad=False)
        self.post_init()

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """Codes of shape (sounds, frames) from log-mel features (sounds, mels, frames)."""
        with torch.autocast(features.device.type, enabled=False):
            return torch.cdist(features.transpose(1, 2).float(), self.centroids.float()).argmin(dim=-1)


AutoConfig.register("mixlab_kmeans_codec", KMeansCodecConfig)
AutoModel.register(KMeansCodecConfig, KMeansCodec)


def fit_codebook(frames: NDArray[np.float32], codes: int, front_end: LogMel, seed: int) -> KMeansCodec:
    """A codebook by mini-batch k-means (Sculley 2010) over log-mel frames.

    Args:
        frames: shape (frames, mels), as they are heard: with gain errors and master gains, none normalised.
        codes: how many.
        front_end: that made the frames.

    Raises:
        ConfigError: if there are fewer frames than codes.
    """
    from sklearn.cluster import MiniBatchKMeans

    if len(frames) < codes:
        raise ConfigError(f"codes is {codes}, but there are only {len(frames)} frames; set examples higher.")
    found = MiniBatchKMeans(codes, batch_size=4096, n_init=1, random_state=seed).fit(frames)
    kept = {key: getattr(front_end, key) for key in LOG_MEL_KEYS}
    codec = KMeansCodec(KMeansCodecConfig(codebook_size=codes, **kept))
    codec.centroids.data = torch.from_numpy(found.cluster_centers_.astype(np.float32))
    return codec


def hop_samples(config: Any) -> int:
    """Samples from one frame of codes to the next."""
    return round(config.sampling_rate / config.frame_rate) if config.model_type == "mimi" else int(config.hop_length)


def front_end_of(config: Any, name: str) -> dict[str, int]:
    """The front end of a codec, as `Hearing` keeps it.

    Raises:
        ConfigError: if the codec is of an unknown type, or normalises what it gets.
    """
    if config.model_type not in CODECS:
        raise ConfigError(
            f"model.arguments.codec is '{name}', a model of type '{config.model_type}'; "
            f"mixlab takes codes from {', '.join(CODECS)}."
        )
    if config.model_type == "mixlab_kmeans_codec":
        return {key: getattr(config, key) for key in LOG_MEL_KEYS}
    if getattr(config, "normalize", False):
        raise ConfigError(
            f"model.arguments.codec is '{name}', which normalises every sound, so that no code would tell a gain; "
            "choose one that does not, such as facebook/encodec_24khz."
        )
    rate = int(config.sampling_rate)
    return {"sample_rate": rate, "step": hop_samples(config), "window_samples": WINDOW_S * rate}


def available_codebooks(config: Any) -> int:
    """How many codebooks a codec has."""
    key = {"mixlab_kmeans_codec": None, "dac": "n_codebooks"}.get(config.model_type, "num_quantizers")
    return 1 if key is None else int(getattr(config, key))


def codes_of(codec: Any, features: torch.Tensor, codebooks: int) -> torch.Tensor:
    """Codes of sounds of equal length, shape (sounds, frames * codebooks), each codebook in a range of its own.

    Args:
        features: log-mel for k-means, for other codecs what `Waveform` gives.
        codebooks: the first so many of each frame follow one another.
    """
    kind = codec.config.model_type
    if kind == "mixlab_kmeans_codec":
        return codec.encode(features)
    waveforms = flat(features)[:, None].to(codec.dtype)
    if kind == "encodec":
        codes = codec.encode(waveforms, bandwidth=codec.config.target_bandwidths[-1]).audio_codes[0]
    elif kind == "dac":
        codes = codec.encode(waveforms, n_quantizers=codebooks).audio_codes
    else:
        codes = codec.encode(waveforms, num_quantizers=codebooks).audio_codes
    ranges = torch.arange(codebooks, device=codes.device)[:, None] * codec.config.codebook_size
    return (codes[:, :codebooks] + ranges).transpose(1, 2).flatten(1)
