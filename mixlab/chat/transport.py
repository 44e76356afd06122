"""Room chat: how batches travel from the processes that make them."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.reductions import reduce_tensor

LARGEST_COPIED_BYTES = 2**20
"""Above this, sharing a tensor's memory costs less than copying it through the pipe."""


def send_small_tensors_by_value(worker: int) -> None:
    """Let the small tensors of a batch travel inside its message; for a loader's ``worker_init_fn``.

    By default torch shares the memory of each one, for which the receiver has to shake hands over a socket with a
    thread of the worker, while training waits (`data_wait` of experiments/throughput/train_step.py). Large ones are
    shared as ever.
    """
    ForkingPickler.register(torch.Tensor, _reduced)


def _reduced(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.nbytes > LARGEST_COPIED_BYTES or tensor.device.type != "cpu" or tensor.requires_grad:
        return reduce_tensor(tensor)
    return _rebuilt, (tensor.numpy(),)


def _rebuilt(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)
