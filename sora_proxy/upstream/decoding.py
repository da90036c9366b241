"""Decoding compressed bodies within bounds. No I/O.

The decoders of HTTP libraries bound what one call returns, not what it costs: urllib3 2.8 takes memory without end if a
gzip member ends exactly at that bound and another follows. Here, compressed bytes are decoded in small slices, and the
output of each is handed on before the next is decoded. So the caller bounds memory and time by how much it takes.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator

SLICE = 2**10  # bytes; deflate makes at most 1032 of one, so a piece of output has at most about a megabyte
MAX_MEMBERS = 1000  # each costs time, even an empty one
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Undecodable(ValueError):
    """The bytes are not what their encoding says, or it is not one that we accept."""


def decoded(encoding: str, accepted: Collection[str], chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a body: pieces of about 1 MB at most, some of them empty.

    `encoding` is the value of `Content-Encoding` (RFC 9110, section 8.4.1), empty if there is none; of `accepted` may
    be "gzip" and "deflate". Several compressed members in a row are one body (RFC 1952, section 2.2). "deflate" means
    zlib's format, but some servers send bare deflate.

    Raises Undecodable.
    """
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        yield from chunks
    elif name in accepted:
        try:
            yield from _inflated(name, chunks)
        except zlib.error as error:
            raise Undecodable("the answer is not compressed as its headers say") from error
    else:
        raise Undecodable("the answer has an encoding that was not asked for")


def _inflated(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    member, members = None, 0
    for piece in _slices(chunks):
        data = piece
        while data:
            if member is None:
                member, members = zlib.decompressobj(_format(name, data[0])), members + 1
            if members > MAX_MEMBERS:
                raise Undecodable("the compressed answer has too many members")
            yield member.decompress(data)
            data = member.unused_data
            if member.eof:
                member = None
    if member is not None:
        raise Undecodable("the compressed answer is cut off")


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), SLICE):
            yield chunk[start : start + SLICE]


def _format(name: str, first: int) -> int:
    """The `wbits` of zlib. Its own format begins with a byte whose low half is 8, and no bare stream does."""
    if name != "deflate":
        return GZIP
    return ZLIB if first & 0x0F == zlib.DEFLATED else RAW
