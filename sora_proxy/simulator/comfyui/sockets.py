"""Sockets: the table of the clients' sockets, which has the same weaknesses as ComfyUI's own table."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PREVIEW, PREVIEW_WITH_METADATA = 1, 4  # numbers of binary events
JPEG = 1
MAX_SECONDS = 0.5  # a frame waits this long for a client that does not read its socket


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket and its transport."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None


@dataclass(slots=True)
class Sockets:
    """One socket for each id. A second socket with the same id replaces the first one, which stays open.

    When either of them closes, the id is removed from the table, so the other socket gets no more events.
    """

    _table: dict[str, Connection] = field(default_factory=dict)
    _with_metadata: set[str] = field(default_factory=set)
    opened: int = 0
    displaced: int = 0
    open: int = 0

    @property
    def names(self) -> list[str]:
        """The ids that have a socket."""
        return list(self._table)

    def add(self, name: str, connection: Connection) -> None:
        """Register a newly opened socket."""
        self.opened += 1
        self.open += 1
        self.displaced += name in self._table
        self._with_metadata.discard(name)
        self._table[name] = connection

    def closed(self, name: str) -> None:
        """Register that a socket with this id was closed."""
        self.open -= 1
        self.forget(name)

    def forget(self, name: str) -> None:
        """Remove the socket of this id from the table."""
        self._table.pop(name, None)
        self._with_metadata.discard(name)

    def cut(self, name: str) -> None:
        """Break the connection of this id."""
        connection = self._table.get(name)
        if connection is not None and connection.transport is not None:
            connection.transport.abort()

    def wants_metadata(self, name: str) -> None:
        """Note that previews for this id must contain metadata, such as the id of the job."""
        self._with_metadata.add(name)

    def has_metadata(self, name: str | None) -> bool:
        """Return whether previews for this id must contain metadata."""
        return name in self._with_metadata

    async def send(self, kind: str, data: Any, name: str | None = None) -> None:
        """Send an event to the socket of one id, or to all sockets."""
        text = json.dumps({"type": kind, "data": data})
        for socket in self._receivers(name):
            await _delivered(socket.send_str(text))

    async def send_preview(self, jpeg: bytes, metadata: dict[str, Any] | None, name: str | None) -> None:
        """Send a preview, with metadata or without."""
        if metadata is None:
            frame = struct.pack(">II", PREVIEW, JPEG) + jpeg
        else:
            about = json.dumps(metadata).encode()
            frame = struct.pack(">II", PREVIEW_WITH_METADATA, len(about)) + about + jpeg
        for socket in self._receivers(name):
            await _delivered(socket.send_bytes(frame))

    def _receivers(self, name: str | None) -> list[web.WebSocketResponse]:
        names = list(self._table) if name is None else [name]
        return [self._table[each].socket for each in names if each in self._table]


async def _delivered(sending: Awaitable[None]) -> None:
    """Send a frame, but wait only a short time for a slow client. The frame is not lost then, because it is already in
    a buffer."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(MAX_SECONDS):
            await sending
