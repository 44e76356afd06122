"""Soft targets for numbers, so that a wrong "9" is nearer to "8" than to "2"."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import nn

LARGEST_DB = 60.0
"""Amounts beyond it, which no advice names, keep their plain targets."""


class NumberTargets(nn.Module):
    """Targets for the tokens of a number that give its neighbours a share, by their distance in dB.

    A number v spreads its target over all numbers u of a grid with weights exp(-(u - v)^2 / (2 sigma^2)). Where every
    number is one token, that is the target. A tokenizer that cuts numbers into pieces (digits, say) gets it piece by
    piece: after the pieces that were read already, each next piece has the weight of the numbers that go on with it, so
    that the product over the pieces is the distribution over numbers, given that the number goes on as long as the true
    one does. With a leading space and without one, numbers may have other tokens: both ways of writing are known, and
    each spreads over its own.

    Args:
        tokenizer: of the model.
        sigma_db: deviation of the spread.
        step_db: of the grid; numbers that are not on it keep their plain targets.
        largest_db: end of the grid.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    token_values: torch.Tensor
    row_values: torch.Tensor
    _index: torch.Tensor
    _keys: torch.Tensor
    _first_rows: torch.Tensor

    def __init__(self, tokenizer: Any, sigma_db: float, step_db: float = 1.0, largest_db: float = LARGEST_DB) -> None:
        super().__init__()
        values = [step_db * number for number in range(round(largest_db / step_db) + 1)]
        written: dict[tuple[int, ...], float] = {}
        ways = [_pieces(tokenizer, values, lead) for lead in (" ", "")]
        for way in ways:
            written |= way
        tokens = sorted({token for number in written for token in number})
        rows: list[list[float]] = []
        row_values: list[float] = []
        first_rows: dict[tuple[int, ...], int] = {}
        for way in ways:
            for number, value in way.items():
                if number not in first_rows:
                    first_rows[number] = len(rows)
                    rows += [_spread(way, number[:place], value, sigma_db, tokens) for place in range(len(number))]
                    row_values += [value] * len(number)
        self.longest = max(map(len, written))
        self._base = len(tokens) + 1
        single = [written.get((token,), torch.nan) for token in tokens]
        index = torch.zeros(max(tokens) + 2, dtype=torch.long)
        index[torch.tensor(tokens)] = torch.arange(1, len(tokens) + 1)
        keys = sorted(
            (self._key([tokens.index(token) + 1 for token in number]), first_rows[number]) for number in written
        )
        for name, buffer in {
            "tokens": torch.tensor(tokens),
            "targets": torch.tensor(rows),
            "token_values": torch.tensor(single),
            "row_values": torch.tensor(row_values),
            "_index": index,
            "_keys": torch.tensor([key for key, _ in keys]),
            "_first_rows": torch.tensor([row for _, row in keys]),
        }.items():
            self.register_buffer(name, buffer, persistent=False)

    def rows(self, labels: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Which row of `targets` each label has; -1 where it is no token of a number on the grid.

        A number is the longest stretch of such tokens where `counts` is true. All is done where the labels are.

        Args:
            labels: token ids, shape (batch, tokens); negative ones are none.
            counts: where a number is one that is advised, shape (batch, tokens).
        """
        known = self._index[labels.clamp(0, len(self._index) - 1)] * (counts & (labels >= 0))
        inside = known > 0
        place = torch.zeros_like(labels)
        going_on = inside
        for _ in range(self.longest):
            going_on = inside & nn.functional.pad(going_on, (1, 0))[:, :-1]
            place = place + going_on.long()
        starts = torch.arange(labels.shape[1], device=labels.device) - place
        key = torch.zeros_like(labels)
        still = inside
        for offset in range(self.longest + 1):
            at = starts + offset
            piece = known.gather(1, at.clamp(0, labels.shape[1] - 1)) * (at < labels.shape[1])
            still = still & (piece > 0)
            key = key * torch.where(still, self._base, 1) + piece * still
        found = torch.searchsorted(self._keys, key).clamp(max=len(self._keys) - 1)
        is_known = inside & (self._keys[found] == key)
        return torch.where(is_known, self._first_rows[found] + place, -1)

    def loss(self, log_probs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with the soft targets.

        Args:
            log_probs: over the vocabulary, shape (n, vocabulary).
            rows: which row each has, none of them -1, shape (n,).
        """
        return -(self.targets[rows] * log_probs[:, self.tokens]).sum(dim=-1)

    def error_db(self, log_probs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Distance of the likeliest number from the right one, NaN where its likeliest token is a piece; as `loss`."""
        likeliest = self.token_values[log_probs[:, self.tokens].argmax(dim=-1)]
        return (likeliest - self.row_values[rows]).abs()

    def _key(self, indices: list[int]) -> int:
        key = 0
        for index in indices:
            key = key * self._base + index
        return key


def _pieces(tokenizer: Any, values: list[float], lead: str) -> dict[tuple[int, ...], float]:
    """The numbers by the tokens that share a character with them, behind `lead`."""
    written = {}
    for value in values:
        cut = tokenizer(f"{lead}{value:g}", add_special_tokens=False, return_offsets_mapping=True)
        ids = zip(cut["input_ids"], cut["offset_mapping"], strict=True)
        written[tuple(token for token, (_, end) in ids if end > len(lead))] = value
    return written


def _spread(
    way: dict[tuple[int, ...], float], read: tuple[int, ...], value: float, sigma_db: float, tokens: list[int]
) -> list[float]:
    """The target for the piece after `read` of a number, over `tokens`."""
    weights: dict[int, float] = defaultdict(float)
    distances = {
        number: (other - value) ** 2
        for number, other in way.items()
        if len(number) > len(read) and number[: len(read)] == read
    }
    nearest = min(distances.values())
    for number, distance in distances.items():
        # Only ratios count: against the nearest one no sigma makes all of them vanish.
        weights[number[len(read)]] += math.exp((nearest - distance) / (2 * sigma_db**2))
    total = sum(weights.values())
    return [weights[token] / total for token in tokens]
