"""LoginLimit: only clients that guess keys have to wait."""

import pytest

from sora_proxy.operators.login_limit import MAX_ADDRESSES, MAX_FAILURES, MAX_FAILURES_PER_ADDRESS, LoginLimit


def fail(limit: LoginLimit, address: str, tries: int) -> int:
    """Enter a wrong key up to `tries` times; returns how many of the attempts the limit allowed."""
    possible = 0
    for _ in range(tries):
        if limit.wait(address) == 0:
            limit.failed(address)
            possible += 1
    return possible


def test_one_address_may_make_ten_failed_logins_a_minute() -> None:
    limit = LoginLimit()
    assert fail(limit, "192.0.2.1", 1000) == MAX_FAILURES_PER_ADDRESS == 10
    assert 50 <= limit.wait("192.0.2.1") <= 60
    assert limit.wait("192.0.2.2") == 0


def test_all_addresses_together_may_make_sixty_failed_logins_a_minute() -> None:
    limit = LoginLimit()
    assert sum(fail(limit, f"192.0.2.{n}", 10) for n in range(100)) == MAX_FAILURES == 60
    assert 50 <= limit.wait("198.51.100.1") <= 60


def test_an_address_that_logged_in_before_is_not_locked_out_by_other_addresses() -> None:
    limit = LoginLimit()
    limit.succeeded("203.0.113.5")
    for n in range(100):
        fail(limit, f"192.0.2.{n}", 10)
    assert limit.wait("203.0.113.5") == 0
    assert fail(limit, "203.0.113.5", 100) == MAX_FAILURES_PER_ADDRESS


def test_failed_logins_from_a_trusted_address_do_not_count_against_other_addresses() -> None:
    limit = LoginLimit()
    for n in range(10):
        limit.succeeded(f"203.0.113.{n}")
        fail(limit, f"203.0.113.{n}", 10)
    assert limit.wait("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("not an address", "another", False),
    ],
)
def test_addresses_in_one_ipv6_network_share_one_limit(first: str, second: str, same: bool) -> None:
    limit = LoginLimit()
    fail(limit, first, 10)
    assert (limit.wait(second) > 0) is same


def test_the_number_of_remembered_addresses_is_limited() -> None:
    limit = LoginLimit()
    for n in range(3 * MAX_ADDRESSES):
        limit.succeeded(f"address {n}")
        limit.failed(f"address {n}")
    assert len(limit._failed) == len(limit._trusted) == MAX_ADDRESSES
