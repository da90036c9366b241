"""Heads: reads the status line and the headers of answers, and limits their total size.

Python itself allows a hundred lines of 64 KiB each, and keeps all of them in memory with the answer, or with an error
about it.
"""

from http.client import HTTPResponse
from typing import BinaryIO

from sora_proxy.upstream.http_call import CallFailed

MAX_BYTES = 64 * 2**10  # per answer, including the interim answers before it


class BoundedHead(HTTPResponse):
    """An answer whose head has a maximum size. Raises CallFailed for a larger head."""

    def begin(self) -> None:
        stream = self.fp
        self.fp = _Lines(stream)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is not None:  # after a bad status line, the answer is already closed
                self.fp = stream


class _Lines:
    """Reads the lines of a stream, up to a total number of bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MAX_BYTES
        self.close = stream.close

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise CallFailed("the head of the answer is too large", sent=True)
        return line
