"""How the cost of a call grows with the size of its input, whatever the machine is and whatever else it does."""

import time
from collections.abc import Callable

SMALL, LARGE = 10_000, 1_000_000  # what the call is given: a hundredfold


def grows_linearly(call: Callable[[int], object]) -> bool:
    """Whether a hundredfold size costs about the hundredfold, and not the square of it.

    The limit lies in the middle of 100 and 10,000: a factor of ten on both sides. CPU time of this thread is counted,
    which does not run while others have the processor, and the least of three, which is free of the machine's hiccups.
    """
    return _seconds(call, LARGE) < 1000 * _seconds(call, SMALL)


def _seconds(call: Callable[[int], object], size: int) -> float:
    costs = []
    for _ in range(3):
        begun = time.thread_time()
        call(size)
        costs.append(time.thread_time() - begun)
    return min(costs)
