"""Room training: samples of one audio prefix with several questions, packed so that none sees the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from mixlab.audio.levels import apply_gain
from mixlab.chat.encoder import IGNORED, ChatEncoder
from mixlab.language.templates import clip_label
from mixlab.multitrack.segments import Segment, group_by_song
from mixlab.multitrack.store import SongStore
from mixlab.synthesis.example import Clip
from mixlab.synthesis.seeds import generator
from mixlab.training.describing.protocol import DescribingProtocol
from mixlab.training.describing.questions import HeardClip, QuestionAndAnswer, draw_question

PREFIX = 0
PADDING = -1


@dataclass(frozen=True)
class DescribedSample:
    """One packed sample; text arrays have shape (tokens,), clip arrays shape (clips, ...)."""

    input_ids: np.ndarray
    labels: np.ndarray
    position_ids: np.ndarray
    blocks: np.ndarray
    decisive: np.ndarray
    features: np.ndarray
    frames: np.ndarray
    lufs: np.ndarray
    stems: np.ndarray
    genre: int
    audio_tokens: int
    clip_ends: np.ndarray
    """Position of each clip's last token, shape (clips,)."""


class DescribingDataset(Dataset[DescribedSample]):
    """Endless samples ``dataset[epoch, index]``, each a pure function of (seed, epoch, index)."""

    def __init__(
        self,
        store: SongStore,
        segments: Sequence[Segment],
        bpm: Mapping[str, float],
        genres: Sequence[str],
        stems: Sequence[str],
        words: Sequence[str],
        protocol: DescribingProtocol,
        encoder: ChatEncoder,
        seed: int,
    ) -> None:
        self.store, self.encoder, self.protocol, self.seed = store, encoder, protocol, seed
        self.bpm, self.genres, self.stems, self.words = bpm, list(genres), list(stems), list(words)
        self.by_song = group_by_song(segments)
        self.song_ids = sorted(self.by_song)

    def __getitem__(self, key: tuple[int, int]) -> DescribedSample:
        epoch, index = key
        rng = generator(self.seed, "describe", epoch, index)
        song_id = self.song_ids[rng.integers(len(self.song_ids))]
        segment = self.by_song[song_id][rng.integers(len(self.by_song[song_id]))]
        labelled = bool(rng.uniform() < self.protocol.labelled_probability)
        clips, heard = self._clips(segment, labelled, rng)
        questions = [
            draw_question(heard, labelled, str(segment.genre), self.bpm[song_id], self.words, rng)
            for _ in range(self.protocol.questions)
        ]
        packed = self._pack(clips, questions)
        return DescribedSample(
            **packed,
            features=self.encoder.features([clip.samples for clip in clips]),
            frames=np.asarray([self.encoder.front_end.frames(clip.samples.size) for clip in clips]),
            lufs=np.asarray([clip.lufs for clip in heard], dtype=np.float32),
            stems=np.asarray([self.stems.index(clip.stem) for clip in heard]),
            genre=self.genres.index(str(segment.genre)),
            audio_tokens=self.encoder.chat.audio_tokens(clips[0].samples.size),
            clip_ends=np.flatnonzero(self.encoder.prompt_ids(clips, "")[1]),
        )

    def _clips(self, segment: Segment, labelled: bool, rng: np.random.Generator) -> tuple[list[Clip], list[HeardClip]]:
        order = list(rng.permutation(segment.stems)) if rng.uniform() < 0.5 else list(segment.stems)
        anchor = order[0] if rng.uniform() < 0.5 else ""
        protocol = self.protocol
        common_db = protocol.level_dbfs - segment.mixture_dbfs + protocol.draw_common_db(rng)
        gains_db = common_db + protocol.draw_gains_db(len(order), rng)
        audio = self.store.read(segment.song_id, order, segment.start_s, segment.duration_s)
        clips, heard = [], []
        for stem, gain_db in zip(order, gains_db, strict=True):
            label = clip_label([stem], anchor) if labelled else ""
            clips.append(Clip(label, (stem,), apply_gain(audio[stem], float(gain_db))))
            heard.append(HeardClip(stem, segment.lufs[stem] + float(gain_db)))
        return clips, heard

    def _pack(self, clips: Sequence[Clip], questions: Sequence[QuestionAndAnswer]) -> dict[str, np.ndarray]:
        """Prefix tokens, then one block a question; positions of each block go on from the prefix."""
        tokenizer = self.encoder.tokenizer
        marker = "\x00"
        prefix, question_end = self.encoder.prompt_text(clips, marker).split(marker)
        ids = list(tokenizer(prefix, add_special_tokens=False)["input_ids"])
        count = len(ids)
        labels, positions, blocks = [IGNORED] * count, list(range(count)), [PREFIX] * count
        decisive = [False] * count
        for number, item in enumerate(questions, start=1):
            asked = tokenizer(item.question + question_end, add_special_tokens=False)["input_ids"]
            answer = tokenizer(item.answer, add_special_tokens=False, return_offsets_mapping=True)
            answered = [*answer["input_ids"], self.encoder.end_token_id]
            ids += [*asked, *answered]
            labels += [*([IGNORED] * len(asked)), *answered]
            positions += range(count, count + len(asked) + len(answered))
            blocks += [number] * (len(asked) + len(answered))
            decisive += [False] * len(asked)
            decisive += [
                any(start < span_end and span_start < end for span_start, span_end in item.spans)
                for start, end in answer["offset_mapping"]
            ]
            decisive.append(False)
        return {
            "input_ids": np.asarray(ids),
            "labels": np.asarray(labels),
            "position_ids": np.asarray(positions),
            "blocks": np.asarray(blocks),
            "decisive": np.asarray(decisive),
        }


def collate_described(samples: Sequence[DescribedSample], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Padded tensors; `attention_mask` has shape (batch, 1, tokens, tokens), True where a query may look."""
    width = max(sample.input_ids.size for sample in samples)

    def pad(name: str, value: int) -> torch.Tensor:
        rows = [getattr(sample, name) for sample in samples]
        return torch.from_numpy(np.stack([np.pad(row, (0, width - row.size), constant_values=value) for row in rows]))

    blocks = pad("blocks", PADDING)
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    same = (blocks[:, None, :] == blocks[:, :, None]) | (blocks[:, None, :] == PREFIX)
    features = torch.from_numpy(np.concatenate([sample.features for sample in samples]))
    frames = torch.from_numpy(np.concatenate([sample.frames for sample in samples]))
    return {
        "input_ids": pad("input_ids", pad_token_id),
        "labels": pad("labels", IGNORED),
        "position_ids": pad("position_ids", 0),
        "decisive": pad("decisive", 0).bool(),
        "attention_mask": (same & causal)[:, None],
        "input_features": features,
        "feature_attention_mask": (torch.arange(features.shape[-1])[None] < frames[:, None]).long(),
        "lufs": torch.from_numpy(np.concatenate([sample.lufs for sample in samples])),
        "stems": torch.from_numpy(np.concatenate([sample.stems for sample in samples])),
        "clip_counts": torch.tensor([len(sample.lufs) for sample in samples]),
        "genres": torch.tensor([sample.genre for sample in samples for _ in sample.lufs]),
        "audio_tokens": torch.tensor(samples[0].audio_tokens),
        "clip_ends": torch.from_numpy(np.concatenate([sample.clip_ends for sample in samples])),
    }
