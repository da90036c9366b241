"""Fixtures of the tests on real sockets."""

from collections.abc import AsyncIterator

import pytest

from tests.receiver import Receiver, serve_receiver
from tests.sora_server import Sora, serve_sora


@pytest.fixture
async def sora() -> AsyncIterator[Sora]:
    """A back end that does what the test says."""
    async with serve_sora() as sora:
        yield sora


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Sora, Sora]]:
    """Two of them."""
    async with serve_sora() as first, serve_sora() as second:
        yield first, second


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Where webhooks go."""
    async with serve_receiver() as receiver:
        yield receiver
