"""Room language: a response as a model said it, and how sure it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """A response.

    Attributes:
        text: without special tokens.
        probability: what the model gives to the answer that it names (`spans.naming_spans`), given the words before;
            None where nothing is named, or that is not known.
    """

    text: str
    probability: float | None = None
