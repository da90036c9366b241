"""The length of cooldowns after faults. These tests need no event loop."""

from dataclasses import replace

from sora_proxy.scheduling.cooldown import MAX_BACK_OFF_SECONDS, MAX_COOLDOWN_SECONDS, NO_COOLDOWN, Incident

WHY = Incident("too fast", 1_700_000_000.0, "chatcmpl-1")


def test_a_cooldown_gets_longer_with_every_failure_up_to_a_limit() -> None:
    cooldown, ends = NO_COOLDOWN, []
    for _ in range(3000):
        cooldown = replace(cooldown, until=0.0).after_fault(0.0, WHY)
        ends.append(cooldown.until)
    assert ends[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, MAX_BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS]
    assert ends[-1] == MAX_BACK_OFF_SECONDS


def test_a_cooldown_has_the_requested_length_and_is_never_shortened_by_another_fault() -> None:
    cooldown = NO_COOLDOWN.after_fault(0.0, WHY, at_least=37.0)
    assert cooldown.until == 37.0
    cooldown = cooldown.after_fault(1.0, WHY)
    assert cooldown.until == 37.0
    cooldown = cooldown.after_fault(2.0, WHY, at_least=1e9)
    assert cooldown.until == 2.0 + MAX_COOLDOWN_SECONDS


def test_simultaneous_faults_count_as_one_failure() -> None:
    cooldown = NO_COOLDOWN.after_fault(0.0, WHY).after_fault(0.0, WHY)
    assert (cooldown.failures, cooldown.until) == (1, 2.0)


def test_a_fixed_cooldown_stays_fixed_after_another_fault() -> None:
    cooldown = NO_COOLDOWN.after_fault(0.0, WHY, fixed=True).after_fault(100.0, WHY)
    assert cooldown.fixed
