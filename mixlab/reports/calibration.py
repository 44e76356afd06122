"""The sheet of calibration: is the model right as often as it says?"""

from __future__ import annotations

from mixlab.reports.sheets import Line, Sheet, alone
from mixlab.scoring.calibration import Calibration

CAPTION = (
    "Of the answers kept, the surest first: how sure the least sure of them is, and the share that is jointly right. "
    "The probability is that of the words that name the stem, or the balance, as the model says them. "
)


def calibration_sheets(found: Calibration | None) -> list[Sheet]:
    """Accuracy against coverage; nothing where the model says no probabilities."""
    if found is None:
        return []
    lines = [
        Line(f"{share:.0%}", {"said": alone(least), "joint_accuracy": right})
        for share, (least, right) in found.coverage.items()
    ]
    said = (
        f"On average it says {found.said[0]:.2f} and is right in {found.right[0]:.2f} of {found.items} answers; "
        f"expected calibration error {found.error:.3f}."
    )
    columns = {"said": "says at least", "joint_accuracy": "joint"}
    return [Sheet("calibration", "Is it right as often as it says?", columns, lines, "answers kept", CAPTION + said)]
