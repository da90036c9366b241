"""Fixtures of the tests with processes that are killed."""

import pytest


@pytest.fixture(autouse=True)
def _no_blocking_call_on_the_event_loop() -> None:
    """Allow blocking calls in these tests, since the server's event loop is in another process."""
