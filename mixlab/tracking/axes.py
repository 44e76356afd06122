"""Room tracking: where a run stands on the axes that are swept, read from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def axes_of(config: Mapping[str, Any]) -> dict[str, str | int | None]:
    """The anchor, the error range, the prompts and the rank that a run was trained with.

    Args:
        config: the resolved configuration of a training run.

    Returns:
        ``anchor``, ``error_range`` (smallest to largest error in dB, in words), ``prompts`` and ``rank``, which is None
        where the adapter has none.
    """
    return {
        "anchor": config["anchor"]["stem"],
        "error_range": _error_range(config["error"]),
        "prompts": _prompts(config["prompt"]["weights"]),
        "rank": config["adapter"].get("r"),
    }


def _error_range(error: Mapping[str, Any]) -> str:
    drawn = [category for category in error["categories"].values() if category["probability"] > 0]
    ends = [abs(category[end]) for category in drawn for end in ("low_db", "high_db") if category[end] != 0]
    words = f"{min(ends):g} to {max(ends):g} dB" if ends else "no error"
    if error["kind"] == "relative":
        return f"relative, {words}"
    stems = max((number for number, share in enumerate(error["faulty_stems"], 1) if share > 0), default=1)
    return words if stems == 1 else f"{words}, up to {stems} stems"


def _prompts(weights: Mapping[str, float]) -> str:
    asked = sorted(name.replace("_", " ") for name, weight in weights.items() if weight > 0)
    return "all" if len(asked) == len(weights) and len(asked) > 1 else ", ".join(asked)
