"""LongTexts: reads JSON of any size without keeping the base64 in memory.

An image is one JSON string of several megabytes. Its bytes are decoded as they arrive and written to a sink. A short
placeholder replaces the string in the rest of the document, which is small and parsed as a whole. A string of more than
`short` bytes is decoded if it consists of base64, either alone or after the beginning of a data URI.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from pybase64 import b64decode

from sora_proxy.foreign.bounded_json import read_json

SHORT_BYTES = 4096  # the default for `short`: strings up to this length are never decoded
MAX_REST_BYTES = 2**20  # of a document without its base64
MAX_VALUES = 50_000
QUANTUM = 4  # characters of base64 that encode whole bytes
DATA_URI = b";base64,"
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/=_\r\n-]++|\\[/nrt]|\\u000[aAdD9])*+")  # `++` makes this several times faster
OPEN_ESCAPE = re.compile(rb"\\(?:u0{0,3})?")
URL_SAFE = bytes.maketrans(b"-_", b"+/")
LINE_END = re.compile(rb"\\(?:[nrt]|u000[aAdD9])")


class Unreadable(ValueError):
    """The document is not JSON or is too large, or its base64 is damaged."""


class Sink(Protocol):
    """The destination for the bytes of one string."""

    async def write(self, content: bytes) -> None: ...


class LongTexts:
    """Reads one document. `new_sink` creates a sink for each string of base64."""

    def __init__(self, new_sink: Callable[[], Sink], *, short: int = SHORT_BYTES) -> None:
        self._new_sink = new_sink
        self._short = short
        self._mark = secrets.token_hex(8) + "-"  # marks placeholders; random, so no document contains it
        # All the mutable state: the sinks so far; the document without its base64; the position where the current
        # string begins in it, if a string is open; the sink for this string's base64; the characters that do not encode
        # whole bytes yet; and whether the last character was a backslash that begins an escape.
        self.sinks: list[Sink] = []
        self._rest = bytearray()
        self._string_at: int | None = None
        self._sink: Sink | None = None
        self._left = b""
        self._escaped = False

    async def feed(self, chunk: bytes) -> None:
        """Read more of the document. Raises Unreadable."""
        while chunk:
            if self._sink is not None:
                sink = self._sink
                content, chunk = self._decode(chunk)  # no copy stays in memory while the sink waits for its disk
                if content:
                    await sink.write(content)
            elif self._string_at is None:
                chunk = self._outside(chunk)
            else:
                chunk = await self._inside(chunk)
            if len(self._rest) > MAX_REST_BYTES:
                raise Unreadable("the answer is too large")

    def document(self) -> Any:
        """The parsed document, with placeholders for its base64. Call this after the last `feed`. Raises Unreadable."""
        if self._string_at is not None or self._sink is not None:
            raise Unreadable("the answer is incomplete")
        try:
            return read_json(bytes(self._rest), MAX_VALUES)
        except ValueError as error:
            raise Unreadable("the answer is not JSON") from error

    def sink_of(self, text: str) -> Sink | None:
        """The sink that got the base64 of a string in the document; None if the string contained none."""
        _, found, rest = text.partition(f"\0{self._mark}")
        return self.sinks[int(rest.partition("\0")[0])] if found else None

    @property
    def is_blank(self) -> bool:
        """Whether the document is empty."""
        return not self._rest.strip()

    def _outside(self, chunk: bytes) -> bytes:
        """Read up to the quotation mark that opens the next string. Returns the rest of the chunk."""
        at = chunk.find(b'"') + 1
        self._rest += chunk[:at] if at else chunk
        if at:
            self._string_at = len(self._rest)
        return chunk[at:] if at else b""

    async def _inside(self, chunk: bytes) -> bytes:
        """Read up to the end of the string, or the beginning of its base64. Returns the rest of the chunk."""
        assert self._string_at is not None  # noqa: S101 - the caller checked
        end, before = self._end_of_string(chunk), len(self._rest)
        self._rest += chunk if end is None else chunk[:end]
        base64_at = self._base64_at(before)
        if base64_at is not None:
            return await self._begin_base64(base64_at, b"" if end is None else chunk[end:])
        if end is None:
            return b""
        self._string_at = None
        self._rest += b'"'
        return chunk[end + 1 :]

    def _end_of_string(self, chunk: bytes) -> int | None:
        """The position of the string's end in a chunk; None if the string ends later."""
        at = 0
        while at < len(chunk):
            if self._escaped:
                self._escaped, at = False, at + 1
                continue
            quote, escape = chunk.find(b'"', at), chunk.find(b"\\", at)
            if escape >= 0 and (quote < 0 or escape < quote):
                self._escaped, at = True, escape + 1
            else:
                return quote if quote >= 0 else None
        return None

    def _base64_at(self, before: int) -> int | None:
        """The position at which base64 begins in the current string. None if the bytes from `before` on do not show
        that there is any."""
        assert self._string_at is not None  # noqa: S101 - the caller checked
        enough = self._string_at + self._short
        if len(self._rest) <= enough:
            return None
        since = max(before - len(DATA_URI), self._string_at) if before > enough else self._string_at
        if (at := self._rest.find(DATA_URI, since)) >= 0:
            return at + len(DATA_URI)
        if before > enough:  # the string has been checked already
            return None
        text = bytes(self._rest[self._string_at : enough + 1])  # `_decode` checks the rest
        run = BASE64.match(text)
        after = text[run.end() :] if run else text
        return self._string_at if not after or _is_open_escape(after) else None

    async def _begin_base64(self, at: int, after: bytes) -> bytes:
        begun, self._escaped = bytes(self._rest[at:]), False
        del self._rest[at:]
        self._rest += rb"\u0000%b%d\u0000" % (self._mark.encode(), len(self.sinks))
        self._sink = self._new_sink()
        self.sinks.append(self._sink)
        return begun + after

    def _decode(self, chunk: bytes) -> tuple[bytes, bytes]:
        """The decoded bytes up to the end of the base64, and the rest of the chunk, which has to be read as text."""
        text = self._left + chunk
        quote = text.find(b'"')
        ended = quote >= 0
        plain, after = (text[:quote], text[quote:]) if ended else (text, b"")
        try:  # nearly every chunk is plain base64, and the decoder is the fastest check
            content, left = _decoded(plain, ended=ended)
        except Unreadable:
            plain, after = _leading_base64(text)
            ended = bool(after) and not _is_open_escape(after)
            content, left = _decoded(plain, ended=ended)
        if ended:
            self._sink, self._left, self._string_at = None, b"", len(self._rest)
            return content, after
        self._left = left + after
        return content, b""


def _decoded(plain: bytes, *, ended: bool) -> tuple[bytes, bytes]:
    """The decoded bytes, and the last characters if these do not encode whole bytes yet. Raises Unreadable."""
    whole = len(plain) if ended else len(plain) // QUANTUM * QUANTUM
    try:
        content = b64decode(plain + b"=" * (-whole % QUANTUM) if ended else memoryview(plain)[:whole], validate=True)
    except ValueError as error:
        raise Unreadable("base64 in the answer is damaged") from error
    return content, plain[whole:]


def _is_open_escape(text: bytes) -> bool:
    """Whether a text is the beginning of an escape whose rest has not arrived."""
    return OPEN_ESCAPE.fullmatch(text) is not None


def _leading_base64(text: bytes) -> tuple[bytes, bytes]:
    """The base64 at the beginning of a text, converted to the standard alphabet without newlines or escapes, and the
    rest of the text."""
    run = BASE64.match(text)
    end = run.end() if run else 0
    slashes = text[:end].replace(b"\\/", b"/")
    return LINE_END.sub(b"", slashes).translate(URL_SAFE, b"\r\n"), text[end:]
