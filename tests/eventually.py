"""Waiting for conditions that no event announces, with a time limit that only a hang exceeds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds; even on a slow machine under load, only a hang takes longer
PAUSE = 0.02  # seconds between two checks

Found = TypeVar("Found")


async def eventually(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Call `look` again and again; returns its first true result. Raises TimeoutError after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(PAUSE)


async def turns_until(fact: Callable[[], object]) -> None:
    """Let the event loop run until a fact is true, and return in the same turn of the loop.

    Raises TimeoutError after `PATIENCE`.
    """
    async with asyncio.timeout(PATIENCE):
        while not fact():  # noqa: ASYNC110  # most facts have no event to wait for
            await asyncio.sleep(0)
