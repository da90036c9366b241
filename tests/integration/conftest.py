"""Fixtures for the tests that use real sockets."""

from collections.abc import AsyncIterator

import pytest

from tests.receiver import Receiver, serve_receiver
from tests.sora_server import Sora, serve_sora


@pytest.fixture
async def sora() -> AsyncIterator[Sora]:
    """A back end that each test controls."""
    async with serve_sora() as sora:
        yield sora


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Sora, Sora]]:
    """Two back ends that each test controls."""
    async with serve_sora() as first, serve_sora() as second:
        yield first, second


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks."""
    async with serve_receiver() as receiver:
        yield receiver
