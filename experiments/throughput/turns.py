"""Two sides of a question in turns, on the clock that fits their device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Clock:
    """Seconds of what a device has done.

    On a CPU these are CPU seconds of this process, so that other work on the machine hardly counts; on a GPU wall
    seconds, read when it has done all that it was asked.
    """

    device: torch.device

    def now(self) -> float:
        """The time."""
        if self.device.type == "cpu":
            return time.process_time()
        self.wait()
        return time.perf_counter()

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.device.type != "cpu":
            torch.cuda.synchronize(self.device)


def in_turns(slow: Callable[[], None], fast: Callable[[], None], rounds: int, clock: Clock) -> float:
    """The median ratio of seconds over rounds in which both take turns, after one to warm up."""
    ratios = []
    for number in range(rounds + 1):
        spent = []
        for call in (slow, fast):
            started = clock.now()
            call()
            spent.append(clock.now() - started)
        if number > 0:
            ratios.append(spent[0] / spent[1])
    return statistics.median(ratios)
