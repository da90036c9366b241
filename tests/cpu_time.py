"""Comparing the CPU time of calls. The ratio depends neither on the machine nor on its load."""

import time
from collections.abc import Callable

SMALL, LARGE = 10_000, 1_000_000  # sizes of the input


def grows_linearly(call: Callable[[int], object]) -> bool:
    """Whether an input of 100 times the size takes about 100 times as long, and not 10,000 times.

    The limit is 1,000 times, which leaves a factor of ten on both sides.
    """
    return cpu_seconds(lambda: call(LARGE)) < 1000 * cpu_seconds(lambda: call(SMALL))


def cpu_seconds(call: Callable[[], object]) -> float:
    """The CPU time of a call on this thread. Time in which other threads use the processor does not count.

    The lowest of three measurements is returned, to exclude short disturbances.
    """
    costs = []
    for _ in range(3):
        begun = time.thread_time()
        call()
        costs.append(time.thread_time() - begun)
    return min(costs)
