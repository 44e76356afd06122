"""Room synthesis: which stem is the anchor of a segment: always the same one, or one that a rule finds."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import numpy as np

from mixlab.multitrack.segments import Segment


class AnchorRule(StrEnum):
    """How the anchor is found among the stems active in a segment, where it is not always the same stem."""

    RANDOM = "random"
    """Drawn anew for each example."""
    PER_SEGMENT = "per_segment"
    """Fixed by a hash of the segment's song and start: the same segment always has the same anchor."""
    MOST_ACTIVE = "most_active"
    """The stem that plays in the largest share of frames; of equals, the loudest."""


def fixed_anchor(anchor: str) -> str | None:
    """The stem that is the anchor of every segment, or None where `anchor` names a rule."""
    return None if anchor in {str(rule) for rule in AnchorRule} else anchor


def choose_anchor(segment: Segment, anchor: str, rng: np.random.Generator, among: tuple[str, ...] = ()) -> str:
    """The anchor of a segment.

    Args:
        anchor: a stem that is active in the segment, or one of `AnchorRule`.
        rng: read for a random anchor only.
        among: the stems that a rule may choose; all that are active unless given.
    """
    stems = among or segment.stems
    if anchor == AnchorRule.RANDOM:
        return stems[rng.integers(len(stems))]
    if anchor == AnchorRule.PER_SEGMENT:
        return min(stems, key=lambda stem: _digest(segment, stem))
    if anchor == AnchorRule.MOST_ACTIVE:
        return max(stems, key=lambda stem: (segment.active_ratio[stem], segment.lufs[stem]))
    return anchor


def _digest(segment: Segment, stem: str) -> bytes:
    # A hash of each stem, so that a stem that falls silent changes the anchor only where it was the anchor.
    return hashlib.sha256(f"{segment.song_id}|{segment.start_s:.3f}|{stem}".encode()).digest()
