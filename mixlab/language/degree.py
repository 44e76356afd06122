"""Room language: how far off a stem is in words; the bands in dB are in ``data/degrees.yaml``."""

from __future__ import annotations

from enum import StrEnum

from mixlab.language.wording import load_data


class Degree(StrEnum):
    """How far off a stem is: what no number goes with has to fit it all the same."""

    SLIGHT = "slight"
    CLEAR = "clear"
    FAR = "far"

    @classmethod
    def of(cls, low_db: float, high_db: float) -> Degree:
        """The degree that holds of a whole range of errors or gains; clear where no other holds of all of it.

        Args:
            low_db, high_db: magnitudes in order, equal for a single value.
        """
        bands = load_data("degrees")
        if high_db <= bands["slight_up_to_db"]:
            return cls.SLIGHT
        return cls.FAR if low_db >= bands["far_from_db"] else cls.CLEAR
