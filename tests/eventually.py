"""Waiting in tests: for facts that have no event of their own, and never for longer than a hang would take."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds; no step of a test takes longer on a slow machine under load, so the limit means a hang
PAUSE = 0.02  # seconds between two looks

Found = TypeVar("Found")


async def eventually(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Look again and again; returns the first thing found that is true. Raises TimeoutError after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(PAUSE)


async def turns_until(fact: Callable[[], object]) -> None:
    """Give the event loop turns until a fact is true, and return in that turn. Raises TimeoutError after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not fact():  # noqa: ASYNC110  # most facts have no event
            await asyncio.sleep(0)
