"""Room runs: where a run stands on the axes that are swept, read from its settings."""

from __future__ import annotations

from mixlab.items.settings import AnchorSettings
from mixlab.registry import Choice
from mixlab.runs.settings import TrainSettings
from mixlab.settings import Settings
from mixlab.synthesis.problem import PromptCategory
from mixlab.synthesis.protocol import ErrorProtocol, PromptProtocol


class AxisSettings(Settings):
    """The groups of a training's configuration that say where it stands."""

    anchor: AnchorSettings
    error: ErrorProtocol
    prompt: PromptProtocol
    adapter: Choice


def axes_of(settings: TrainSettings | AxisSettings) -> dict[str, str | int | None]:
    """The anchor, the error range, the prompts and the rank that a run was trained with.

    Returns:
        ``anchor``, ``error_range`` (smallest to largest error in dB, in words), ``prompts`` and ``rank``, which is None
        where the adapter has none.
    """
    return {
        "anchor": settings.anchor.stem,
        "error_range": _error_range(settings.error),
        "prompts": _prompts(settings.prompt),
        "rank": settings.adapter.arguments.get("r"),
    }


def _error_range(error: ErrorProtocol) -> str:
    drawn = [entry.range_db for entry in error.categories.values() if entry.probability > 0 and not entry.is_balanced]
    ends = [abs(end) for range_db in drawn for end in range_db]
    words = f"{min(ends):g} to {max(ends):g} dB" if ends else "no error"
    if any(error.deadband_db):
        words += " beyond {:g} to {:g} dB".format(*error.deadband_db)
    if error.relative:
        return f"relative, {words}"
    stems = max((number for number, share in enumerate(error.faulty_stems or (), 1) if share > 0), default=1)
    return words if stems == 1 else f"{words}, up to {stems} stems"


def _prompts(prompt: PromptProtocol) -> str:
    asked = sorted(str(name).replace("_", " ") for name in prompt.shares)
    return "all" if len(asked) == len(PromptCategory) else ", ".join(asked)
