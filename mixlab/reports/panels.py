"""What a dashboard shows; the page of local runs and the W&B workspace are made from it alike."""

from __future__ import annotations

from mixlab.synthesis.problem import PromptCategory

METRICS = {"direction_accuracy": "direction accuracy", "gain_mae_db": "error dB"}
"""Metrics on the test items, with their headings."""

AXES = {
    "anchor": "By anchor",
    "error_range": "By range of the errors trained on",
    "prompts": "By prompts trained on",
    "rank": "By rank of the adapter",
}
"""Axes of runs (`axes_of`): in each, the runs that share a value are one line."""

GROUPS = {
    "prompt_category": ("By prompt category of the items", tuple(str(category) for category in PromptCategory)),
    "size_db": ("By size of the error in dB", ("3-6", "6-9", "9-12")),
}
"""Axes of the test items: heading and groups; every run counts in each group."""


def group_key(axis: str, group: str, metric: str) -> str:
    """The name of a metric in a group of test items."""
    return f"test/{axis}={group}/{metric}"
