"""Fixtures of the tests with processes that are killed."""

import pytest


@pytest.fixture(autouse=True)
def _no_blocking_call_on_the_event_loop() -> None:
    """The server's event loop is in another process; this one only looks on."""
