"""What is known of a key: its minute, its rests, what outlives the process. No event loop in here."""

import random

import pytest

from sora_proxy.scheduling.cooldown import LONGEST_BACK_OFF, LONGEST_REST, Incident, Rest
from sora_proxy.scheduling.keys import MINUTE, TokenBucket, fingerprint

WHY = Incident("tired", 1_700_000_000.0, "chatcmpl-1")


@pytest.mark.parametrize("size", [1, 2, 7, 60])
@pytest.mark.parametrize("seed", range(5))
def test_a_bucket_gives_never_more_than_its_size_in_any_minute(size: int, seed: int) -> None:
    dice, bucket, now = random.Random(seed), TokenBucket(size), 1000.0
    taken: list[float] = []
    for _ in range(size * 20):
        now += dice.choice([0.0, 0.0, 0.01, dice.expovariate(size / MINUTE)])
        now = max(now, bucket.ready_at())
        bucket.take(now)
        taken.append(now)
    for first, beyond in zip(taken, taken[size:], strict=False):
        assert beyond - first >= MINUTE - 1e-9
    # And no less: someone who always takes as soon as possible gets the whole rate.
    greedy = TokenBucket(size)
    moments = []
    for _ in range(size * 3):
        moments.append(max(0.0, greedy.ready_at()))
        greedy.take(moments[-1])
    assert moments == [0.0] * size + [MINUTE] * size + [2 * MINUTE] * size


def test_a_burst_around_the_turn_of_a_minute_is_no_two_minutes_worth() -> None:
    bucket = TokenBucket(60)
    for _ in range(60):
        bucket.take(59.0)
    assert bucket.ready_at() == 119.0


def test_resting_gets_longer_with_every_failure_up_to_a_bound_and_never_breaks() -> None:
    rest, ends = Rest(), []
    for _ in range(3000):
        rest.until = 0.0
        rest.back_off(0.0, WHY)
        ends.append(rest.until)
    assert ends[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_BACK_OFF, LONGEST_BACK_OFF]
    assert ends[-1] == LONGEST_BACK_OFF


def test_a_rest_is_as_long_as_it_was_told_within_reason_and_never_cut_short_by_another() -> None:
    rest = Rest()
    rest.back_off(0.0, WHY, at_least=37.0)
    assert rest.until == 37.0
    rest.back_off(1.0, WHY)
    assert rest.until == 37.0
    rest.back_off(2.0, WHY, at_least=1e9)
    assert rest.until == 2.0 + LONGEST_REST


def test_a_fingerprint_is_stable_and_tells_nothing() -> None:
    assert fingerprint("secret") == fingerprint("secret") == "2bb80d537b1da3e3"
    assert fingerprint("secret") != fingerprint("secret ")
