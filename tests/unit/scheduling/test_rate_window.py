"""The sliding window of a rate limit. These tests need no event loop."""

import random

import pytest

from sora_proxy.scheduling.rate_window import MINUTE, SlidingWindow


@pytest.mark.parametrize("size", [1, 2, 7, 60])
@pytest.mark.parametrize("seed", range(5))
def test_a_window_never_allows_more_than_its_size_in_any_minute(size: int, seed: int) -> None:
    dice, window, now = random.Random(seed), SlidingWindow(size), 1000.0
    uses: list[float] = []
    for _ in range(size * 20):
        now += dice.choice([0.0, 0.0, 0.01, dice.expovariate(size / MINUTE)])
        now = max(now, window.ready_at())
        window.use(now)
        uses.append(now)
    for first, beyond in zip(uses, uses[size:], strict=False):
        assert beyond - first >= MINUTE - 1e-9


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_a_window_can_be_used_up_completely_in_every_minute(size: int) -> None:
    window = SlidingWindow(size)
    moments = []
    for _ in range(size * 3):
        moments.append(max(0.0, window.ready_at()))
        window.use(moments[-1])
    assert moments == [0.0] * size + [MINUTE] * size + [2 * MINUTE] * size


def test_a_burst_at_the_end_of_a_clock_minute_still_counts_in_the_next_minute() -> None:
    window = SlidingWindow(60)
    for _ in range(60):
        window.use(59.0)
    assert window.ready_at() == 119.0


def test_a_use_that_takes_more_than_a_minute_counts_from_its_end() -> None:
    window, taken, other = SlidingWindow(4), [1000.0] * 3, 1000.0 + MINUTE + 1
    for use in (*taken, other):
        window.use(use)
    window.restamp(taken, other + 1)
    assert (window.free(other + 1), window.ready_at()) == (0, other + MINUTE)


def test_other_uses_still_count_after_uses_older_than_a_minute_are_undone() -> None:
    window, taken, other = SlidingWindow(2), [1000.0] * 2, 1000.0 + MINUTE + 1
    for use in (*taken, other):
        window.use(use)
    window.undo(taken)
    assert window.free(other) == 1
