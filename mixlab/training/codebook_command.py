"""Fit the codebook of audio codes that a unified backbone reads as words.

    mixlab codebook dataset=demo                                             k-means over frames of training examples
    mixlab train +experiment=bass_anchor model=unified controls=[]           train on it

K-means over the log-mel frames of training examples, heard as training hears them: with gain errors and master gains,
none normalised, so that codes tell the level. Validation and test songs have no part in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mixlab.items.settings import ItemSettings
from mixlab.runs.settings import EvaluationSettings
from mixlab.settings import FilePath, Many, PositiveCount, Settings
from mixlab.storage import refuse_file


class LogMelSettings(Settings):
    """A log-mel front end; see `audio.log_mel.LogMel`."""

    sample_rate: Annotated[int, Field(ge=8000, le=384_000)]
    n_fft: Annotated[int, Field(ge=16, le=65536)]
    hop_length: Annotated[int, Field(ge=1, le=65536)]
    mels: Annotated[int, Field(ge=1, le=1024)]


class CodebookSettings(ItemSettings):
    """The whole configuration of `mixlab codebook`."""

    evaluation: EvaluationSettings
    out: FilePath
    codes: Annotated[int, Field(ge=2)]
    examples: PositiveCount
    log_mel: LogMelSettings
    plugins: Many[str] = ()


def main(settings: CodebookSettings) -> None:
    """Fit the codebook, write its folder, and say what is in it.

    Raises:
        ConfigError: if `out` is a file, or there are fewer frames than codes.
    """
    refuse_file(Path(settings.out))
    import numpy as np
    import torch

    from mixlab.audio.log_mel import LogMel
    from mixlab.items.build import build_bank
    from mixlab.models.backbones.codecs import fit_codebook

    window_samples = round(settings.data.segment_s * settings.log_mel.sample_rate)
    front_end = LogMel(**dict(settings.log_mel), window_samples=window_samples)
    bank = build_bank(settings, front_end.sample_rate)
    bank.setup()
    training = bank.training()
    frames = []
    for index in range(settings.examples):
        for clip in bank.training_examples.example(training.problem(0, index)).clips:
            features = front_end(torch.from_numpy(clip.samples[None])).numpy()[0]
            frames.append(features.T.reshape(-1, front_end.mels))
    heard = np.concatenate(frames)
    codec = fit_codebook(heard, settings.codes, front_end, settings.seed)
    codec.save_pretrained(Path(settings.out))
    found = codec.encode(torch.from_numpy(heard).T[None])[0].numpy()
    error_db = 40.0 * float(np.sqrt(np.mean(np.square(heard - codec.centroids.numpy()[found]))))
    print(
        f"{settings.out} holds {settings.codes} codes ({len(np.unique(found))} used) from {len(heard)} frames of "
        f"{settings.examples} training examples; a code is {error_db:.1f} dB (root mean square) from a frame that it "
        "stands for."
    )
