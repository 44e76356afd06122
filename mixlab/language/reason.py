"""Room language: why a stem is moved, in words: its loudness beside the anchor in the clip, and what is usual."""

from __future__ import annotations

from dataclasses import dataclass

from mixlab.language.advice import Direction


@dataclass(frozen=True)
class Reason:
    """Loudness of a stem above the anchor in dB: as it is heard in the clip, and the mean of songs."""

    heard_db: float
    usual_db: float

    def supports(self, direction: Direction) -> bool:
        """Whether it speaks for a move in this direction, in whole numbers of dB and with the anchor on one side."""
        heard_db, usual_db = round(self.heard_db), round(self.usual_db)
        return heard_db != 0 != usual_db and Direction.of(usual_db - heard_db) is direction

    @property
    def fields(self) -> dict[str, str]:
        """The fields ``{heard}`` ("6 dB above") and ``{usual}`` ("2 below")."""
        return {"heard": _beside(self.heard_db, " dB"), "usual": _beside(self.usual_db, "")}


def _beside(value_db: float, unit: str) -> str:
    return f"{abs(round(value_db))}{unit} {'above' if value_db > 0 else 'below'}"
