"""Fixtures of the tests on real sockets."""

from collections.abc import AsyncIterator

import pytest

from tests.sora_server import Sora, serve_sora


@pytest.fixture
async def sora() -> AsyncIterator[Sora]:
    """A back end that does what the test says."""
    async with serve_sora() as sora:
        yield sora
