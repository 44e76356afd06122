"""Batches arrive as they were made, small tensors inside their message and large ones in shared memory."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from mixlab.chat.transport import LARGEST_COPIED_BYTES, send_small_tensors_by_value

SMALL = torch.tensor([[1.5, float("nan")], [-0.0, 3.0]])
LARGE = torch.arange(LARGEST_COPIED_BYTES // 8 + 1)


def both(indices):
    """A batch of a small and a large tensor."""
    return {"small": SMALL * indices[0], "flags": SMALL > 1, "large": LARGE + indices[0]}


def test_a_worker_sends_small_tensors_by_value_and_shares_large_ones():
    loader = DataLoader(
        [1, 2],
        batch_size=1,
        num_workers=1,
        collate_fn=both,
        multiprocessing_context="spawn",
        worker_init_fn=send_small_tensors_by_value,
    )
    for number, batch in enumerate(loader, start=1):
        torch.testing.assert_close(batch["small"], SMALL * number, equal_nan=True, rtol=0, atol=0)
        assert torch.equal(batch["flags"], SMALL > 1)
        assert torch.equal(batch["large"], LARGE + number)
        assert not batch["small"].is_shared()
        assert batch["large"].is_shared()
