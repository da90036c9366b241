"""What calls cost beside one another, and how this grows with their input, whatever the machine is and else does."""

import time
from collections.abc import Callable

SMALL, LARGE = 10_000, 1_000_000  # what the call is given: a hundredfold


def grows_linearly(call: Callable[[int], object]) -> bool:
    """Whether a hundredfold size costs about the hundredfold, and not the square of it.

    The limit lies in the middle of 100 and 10,000: a factor of ten on both sides.
    """
    return cpu_seconds(lambda: call(LARGE)) < 1000 * cpu_seconds(lambda: call(SMALL))


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU time of this thread, which does not run while others have the processor.

    The least of three, which is free of the machine's hiccups.
    """
    costs = []
    for _ in range(3):
        begun = time.thread_time()
        call()
        costs.append(time.thread_time() - begun)
    return min(costs)
