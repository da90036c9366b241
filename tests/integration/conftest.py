"""Fixtures of the tests on real sockets."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.scripted import silent_port
from tests.sora_server import Sora, serve_sora


@pytest.fixture
async def sora() -> AsyncIterator[Sora]:
    """A back end that does what the test says."""
    async with serve_sora() as sora:
        yield sora


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where nobody answers."""
    with silent_port() as port:
        yield port
