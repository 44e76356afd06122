"""Room training: the first stage, in which the audio tower alone learns to hear: loudness, stem, genre of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from mixlab.audio.log_mel import shift_gain
from mixlab.chat.encoder import ChatEncoder
from mixlab.models.optim import AdamWCosine
from mixlab.multitrack.segments import Segment
from mixlab.multitrack.store import SongStore
from mixlab.synthesis.seeds import generator
from mixlab.training.describing.protocol import DescribingProtocol

MIDDLE_LUFS = -35.0
SCALE_LU = 10.0
"""Loudness is learnt as (LUFS - middle) / scale, which lies near -2 to 2."""

ClipBatch = dict[str, torch.Tensor]


class EarClips(Dataset[dict[str, Any]]):
    """Endless single clips ``dataset[epoch, index]`` with a random gain, each a pure function of (seed, epoch, index).

    The features of every stem of every segment are computed once: a gain shifts a log-mel spectrogram, so no sample has
    to be touched again.
    """

    def __init__(
        self,
        store: SongStore,
        segments: Sequence[Segment],
        genres: Sequence[str],
        stems: Sequence[str],
        protocol: DescribingProtocol,
        encoder: ChatEncoder,
        seed: int,
    ) -> None:
        self.protocol, self.seed = protocol, seed
        clips = [(segment, stem) for segment in segments for stem in segment.stems]
        self.features = np.stack([_features(store, segment, stem, encoder) for segment, stem in clips])
        self.lufs = np.asarray([segment.lufs[stem] for segment, stem in clips])
        self.level_gain_db = np.asarray([protocol.level_dbfs - segment.mixture_dbfs for segment, _ in clips])
        self.stems = np.asarray([stems.index(stem) for _, stem in clips])
        self.genres = np.asarray([genres.index(str(segment.genre)) for segment, _ in clips])
        self.audio_tokens = encoder.chat.audio_tokens(round(segments[0].duration_s * encoder.sample_rate))

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        rng = generator(self.seed, "ear", epoch, index)
        clip = int(rng.integers(len(self.lufs)))
        gain_db = float(
            self.level_gain_db[clip] + self.protocol.draw_common_db(rng) + self.protocol.draw_gains_db(1, rng)[0]
        )
        return {
            "input_features": shift_gain(self.features[clip], gain_db),
            "lufs": np.float32(self.lufs[clip] + gain_db),
            "stems": self.stems[clip],
            "genres": self.genres[clip],
            "audio_tokens": self.audio_tokens,
        }


def _features(store: SongStore, segment: Segment, stem: str, encoder: ChatEncoder) -> NDArray[np.float32]:
    samples = store.read(segment.song_id, [stem], segment.start_s, segment.duration_s)[stem]
    return encoder.features([samples])[0]


class ListeningHeads(nn.Module):
    """Linear heads on the audio states of clips, which are thrown away when the base is done.

    Every state knows its clip's loudness, and the states together the stem and the genre. Loudness is read linearly, so
    that it lies along one direction and differences of loudness along the same.
    """

    def __init__(self, width: int, stems: int, genres: int) -> None:
        super().__init__()
        self.level = nn.Linear(width, 1)
        self.stem = nn.Linear(width, stems)
        self.genre = nn.Linear(width, genres)

    def forward(self, audio: torch.Tensor, batch: ClipBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss and the figures of clips.

        Args:
            audio: projected states, shape (clips, audio tokens, width).
            batch: `lufs`, `stems` and `genres` of the clips, each of shape (clips,).
        """
        levels = self.level(audio)[..., 0]
        wanted = (batch["lufs"] - MIDDLE_LUFS) / SCALE_LU
        pooled = audio.mean(dim=1)
        stem_scores, genre_scores = self.stem(pooled), self.genre(pooled)
        loss = 2.0 * F.smooth_l1_loss(SCALE_LU * levels, SCALE_LU * wanted[:, None].expand_as(levels), beta=0.5)
        loss = loss + 0.3 * F.cross_entropy(stem_scores, batch["stems"])
        loss = loss + 0.3 * F.cross_entropy(genre_scores, batch["genres"])
        error_lu = SCALE_LU * (levels.mean(dim=1) - wanted)
        figures = {
            "ear_rmse_lu": error_lu.square().mean().sqrt().detach(),
            "ear_stem_accuracy": (stem_scores.argmax(-1) == batch["stems"]).float().mean(),
            "ear_genre_accuracy": (genre_scores.argmax(-1) == batch["genres"]).float().mean(),
        }
        return loss, figures


class EarModule(lightning.LightningModule):
    """Trains tower and projector of an untrained backbone on single clips.

    The tower is a small part of the model's work, so alone it takes many more steps in the time than among words.
    """

    def __init__(self, model: Any, heads: ListeningHeads, optim: AdamWCosine) -> None:
        super().__init__()
        self.tower = model.model.audio_tower
        self.projector = model.model.multi_modal_projector
        self.heads = heads
        self.optim = optim

    def _step(self, batch: ClipBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        audio = audio_states(self.tower, self.projector, batch["input_features"], int(batch["audio_tokens"][0]))
        return self.heads(audio, batch)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> torch.Tensor:
        loss, figures = self._step(batch)
        self.log_dict({f"train/{name}": value for name, value in figures.items()}, prog_bar=True)
        return loss

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        _, figures = self._step(batch)
        named = {f"val/{name}": value for name, value in figures.items()}
        self.log_dict(named, prog_bar=True, batch_size=len(batch["lufs"]))

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.optim.build(self.named_parameters(), int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def audio_states(tower: Any, projector: Any, features: torch.Tensor, audio_tokens: int) -> torch.Tensor:
    """Projected states of full-window clips: (clips, mels, frames) to (clips, audio tokens, width)."""
    return projector(tower(features).last_hidden_state)[:, :audio_tokens]
