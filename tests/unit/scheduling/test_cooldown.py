"""How long something is left alone after a fault. No event loop in here."""

from sora_proxy.scheduling.cooldown import LONGEST_BACK_OFF, LONGEST_REST, Incident, Rest

WHY = Incident("tired", 1_700_000_000.0, "chatcmpl-1")


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
