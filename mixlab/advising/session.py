"""Room advising: a user's tracks cut into the segments that the model can judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.hearing import MONO_LOSS_DB, Heard
from mixlab.audio.levels import FLOOR_DBFS, rms_dbfs
from mixlab.audio.loudness import mean_square
from mixlab.language.said import Said
from mixlab.multitrack.segments import Gates
from mixlab.multitrack.store import FRAME_S
from mixlab.synthesis.example import Clip, Layout, make_clips

SHORTEST_SEGMENT_S = 3.0
"""A remainder, or a whole file, shorter than this is not judged. Shorter clips than a full segment are not padded."""

REFERENCE_DBFS = -18.0
"""For the gates alone, the overall level of the user's mixture counts as this (EBU R 68's alignment level), so that a
quiet bounce passes them like a loud one."""

ERROR_MARGIN_DB = 12.0
"""The gates are this much lower than in training: there they look at the mix before errors are injected, here a
stem may be too quiet by the largest error that is taught."""


@dataclass(frozen=True)
class SessionSegment:
    """A stretch in which the anchor and at least one other stem are active.

    Attributes:
        stems: the active stems, the anchor first.
        gain_db: common gain of all clips that brings the segment's mixture to the checkpoint's headroom.
    """

    start_s: float
    end_s: float
    stems: tuple[str, ...]
    gain_db: float


@dataclass(frozen=True)
class Question:
    """What the model hears and reads: clips, and the user's sentence (empty for audio only)."""

    clips: tuple[Clip, ...]
    prompt: str


Answer = Callable[[Sequence[Question]], list[Said]]
"""Answers a batch of questions."""


@dataclass(frozen=True)
class Session:
    """The user's signals by role at the model's rate, each of shape (samples,) and of one length.

    Attributes:
        cancelled: roles whose channels cancel each other in mono.
    """

    signals: Mapping[str, NDArray[np.float32]]
    sample_rate: int
    anchor: str
    cancelled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, heard: Mapping[str, Heard], sample_rate: int, anchor: str) -> Session:
        """What was heard of each role, ended in silence where it ends before the others."""
        longest = max(one.samples.size for one in heard.values())
        padded = {
            role: one.samples if one.samples.size == longest else np.pad(one.samples, (0, longest - one.samples.size))
            for role, one in heard.items()
        }
        cancelled = frozenset(role for role, one in heard.items() if one.mono_loss_db > MONO_LOSS_DB)
        return cls(padded, sample_rate, anchor, cancelled)

    @property
    def duration_s(self) -> float:
        return next(iter(self.signals.values())).size / self.sample_rate

    @property
    def others(self) -> tuple[str, ...]:
        """The stems that can be advised: all but the anchor, sorted as in training."""
        return tuple(sorted(stem for stem in self.signals if stem != self.anchor))

    def segments(
        self, segment_s: float, headroom_dbfs: float, gates: Gates | None = None
    ) -> tuple[list[SessionSegment], Counter[str]]:
        """Consecutive segments with a last, shorter one of at least `SHORTEST_SEGMENT_S`.

        Returns:
            The segments, and how many were left out for which reason.
        """
        gates = gates or Gates()
        shift_db = self._overall_dbfs() - REFERENCE_DBFS - ERROR_MARGIN_DB
        found: list[SessionSegment] = []
        ignored: Counter[str] = Counter()
        step = round(segment_s * self.sample_rate)
        shortest = min(round(SHORTEST_SEGMENT_S * self.sample_rate), step)
        length = round(self.duration_s * self.sample_rate)
        for start in range(0, length, step):
            end = min(start + step, length)
            if end - start < shortest:
                ignored["too_short"] += 1
                continue
            parts = {stem: signal[start:end] for stem, signal in self.signals.items()}
            mixture_dbfs = rms_dbfs(_sum(parts.values()))
            active = {stem for stem, part in parts.items() if self._is_active(part, gates, shift_db)}
            if mixture_dbfs <= max(gates.mixture_dbfs + shift_db, FLOOR_DBFS):
                ignored["mixture_too_quiet"] += 1
            elif self.anchor not in active:
                ignored["anchor_inactive"] += 1
            elif len(active) < 2:
                ignored["nothing_beside_anchor"] += 1
            else:
                stems = (self.anchor, *(stem for stem in self.others if stem in active))
                start_s, end_s = start / self.sample_rate, end / self.sample_rate
                found.append(SessionSegment(start_s, end_s, stems, headroom_dbfs - mixture_dbfs))
        return found, ignored

    def clips(self, segment: SessionSegment, layout: Layout) -> tuple[Clip, ...]:
        """The clips of a segment in the layout of the checkpoint, all with the segment's one gain."""
        start, end = (round(time_s * self.sample_rate) for time_s in (segment.start_s, segment.end_s))
        parts = {stem: self.signals[stem][start:end] for stem in segment.stems}
        return make_clips(parts, segment.stems, self.anchor, layout, dict.fromkeys(segment.stems, segment.gain_db))

    def _overall_dbfs(self) -> float:
        """Level of the mixture over its frames that are not more than 20 dB below their mean (silence left out)."""
        # In parts of whole frames, since the sum of long signals is as long as they are.
        step = 1000 * round(FRAME_S * self.sample_rate)
        parts = [
            mean_square(
                _sum(signal[at : at + step] for signal in self.signals.values())[None], self.sample_rate, FRAME_S
            )
            for at in range(0, round(self.duration_s * self.sample_rate), step)
        ]
        power = np.concatenate([np.zeros(0), *parts])
        if not power.size or power.max() <= 0.0:
            return FLOOR_DBFS
        return float(10.0 * np.log10(power[power >= power.mean() / 100.0].mean()))

    def _is_active(self, signal: NDArray[np.float32], gates: Gates, shift_db: float) -> bool:
        frames = mean_square(signal[None], self.sample_rate, FRAME_S)
        frame_power = 10.0 ** ((gates.active_frame_dbfs + shift_db) / 10.0)
        is_loud = rms_dbfs(signal) >= max(gates.stem_dbfs + shift_db, FLOOR_DBFS + 1.0)
        return is_loud and float(np.mean(frames > frame_power)) >= gates.active_ratio


def _sum(signals: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return reduce(np.add, signals)
