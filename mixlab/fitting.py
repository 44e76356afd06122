"""Floor of the entry points: a codebook of audio codes, from training examples to a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from mixlab import build
from mixlab.audio.log_mel import LogMel
from mixlab.data.encoder import ChatEncoder
from mixlab.models.backbones.codecs import fit_codebook
from mixlab.models.backbones.tiny import Tiny


def fit(cfg: DictConfig) -> str:
    """Fit the codebook that `cfg` describes and write its folder; returns a sentence on it.

    Raises:
        ConfigError: if there are fewer frames than codes.
    """
    window_samples = round(cfg.data.segment_s * cfg.log_mel.sample_rate)
    front_end = LogMel(**cfg.log_mel, window_samples=window_samples)
    chat = Tiny("listener").read_chat()
    # Only what is heard counts; the words of the examples are thrown away.
    chat.front_end = front_end
    data = build.data_module(cfg, build.source(cfg), ChatEncoder(chat), features_in_worker=False)
    data.prepare_data()
    data.setup()
    examples = data.training_dataset()
    heard = [data.encoder.features(examples[0, index].waveforms) for index in range(cfg.examples)]
    frames = np.concatenate([features.transpose(0, 2, 1).reshape(-1, front_end.mels) for features in heard])
    codec = fit_codebook(frames, cfg.codes, front_end, cfg.seed)
    codec.save_pretrained(Path(cfg.out))
    found = codec.encode(torch.from_numpy(frames).T[None])[0].numpy()
    error_db = 40.0 * float(np.sqrt(np.mean(np.square(frames - codec.centroids.numpy()[found]))))
    return (
        f"{cfg.out} holds {cfg.codes} codes ({len(np.unique(found))} used) from {len(frames)} frames of {cfg.examples} "
        f"training examples; a code is {error_db:.1f} dB (root mean square) from a frame that it stands for."
    )
