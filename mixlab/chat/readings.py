"""Room chat: what a meter beside each clip's fader shows: the loudness of the clip as it is heard, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from mixlab.audio.loudness import integrated_lufs, k_weighted_power
from mixlab.language.templates import metered_label
from mixlab.settings import Settings, Spelled
from mixlab.synthesis.example import Clip, Layout

SHOWN_STEP_DB = 0.5
"""What a meter in words is rounded to; advice is in whole dB."""


class Meter(StrEnum):
    """What the meter shows of each clip."""

    NONE = "none"
    """There is no meter."""
    RELATIVE = "relative"
    """Loudness beside the anchor's clip, in LU."""
    LUFS = "lufs"
    """Loudness in LUFS (BS.1770-4)."""


class ReadingForm(StrEnum):
    """How a model is told a reading."""

    WORDS = "words"
    """In the clip's label, "Drums, 3.5 dB above the bass:", for any backbone."""
    NUMBER = "number"
    """Added to what the model heard of the clip, through a matrix that trains (as xVal, Golkar et al. 2023, has it)."""


class Readings(Settings):
    """The group `readings`: whether the model has a meter beside its ears, and how it reads it."""

    meter: Spelled[Meter] = Meter.NONE
    form: Spelled[ReadingForm] = ReadingForm.NUMBER

    @property
    def shown(self) -> bool:
        """Whether there is a meter."""
        return self.meter is not Meter.NONE

    @property
    def in_words(self) -> bool:
        """Whether labels of clips say readings."""
        return self.shown and self.form is ReadingForm.WORDS

    @property
    def in_numbers(self) -> bool:
        """Whether clips come with readings as numbers."""
        return self.shown and self.form is ReadingForm.NUMBER

    def check_layout(self, layout: Layout) -> None:
        """Refuse readings that a layout leaves no place for.

        Raises:
            ValueError: naming keys and remedy.
        """
        if self.meter is Meter.RELATIVE and not layout.has_anchor_clip:
            raise ValueError(
                f"readings.meter is 'relative', but inputs is '{layout.name}', where the anchor has no clip of its own "
                "to be louder or quieter than; choose readings=lufs, readings=none or another inputs."
            )
        if not (layout.audible or self.shown):
            raise ValueError(
                f"inputs is '{layout.name}' and readings.meter is 'none', so the model neither hears nor reads; "
                "choose readings=relative, or inputs=stems."
            )

    def of(self, clips: Sequence[Clip], sample_rate: int) -> list[Clip]:
        """The clips with what the meter shows of them: in their labels, or as their `reading_db`."""
        if not self.shown:
            return list(clips)
        levels_db = self._shown(clips, sample_rate)
        if self.in_numbers:
            told_db = [level_db if math.isfinite(level_db) else math.nan for level_db in levels_db]
            return [replace(clip, reading_db=level_db) for clip, level_db in zip(clips, told_db, strict=True)]
        anchor = clips[0].stems[0] if self.meter is Meter.RELATIVE else None
        labelled = [
            replace(clip, label=metered_label(clip.label, _rounded(level_db), anchor))
            for clip, level_db in zip(clips, levels_db, strict=True)
        ]
        return labelled if anchor is None else [clips[0], *labelled[1:]]

    def _shown(self, clips: Sequence[Clip], sample_rate: int) -> list[float]:
        levels = [clip_lufs(clip, sample_rate) for clip in clips]
        return [level - levels[0] for level in levels] if self.meter is Meter.RELATIVE else levels


NO_READINGS = Readings()


def clip_lufs(clip: Clip, sample_rate: int) -> float:
    """Integrated loudness of a clip as it is heard; minus infinity where it is silent."""
    if clip.lufs is not None:
        return clip.lufs
    return float(integrated_lufs(k_weighted_power(clip.samples[None], sample_rate)))


def _rounded(level_db: float) -> float:
    """To the meter's steps, as far as there is a level."""
    return round(level_db / SHOWN_STEP_DB) * SHOWN_STEP_DB if math.isfinite(level_db) else level_db
