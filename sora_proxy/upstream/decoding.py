"""Decoding: decodes compressed bodies with bounded memory and time. No I/O.

The decoders of HTTP libraries bound the output of one call, but not its cost: urllib3 2.8 takes unlimited memory if a
gzip member ends exactly at that bound and another member follows. Here, compressed bytes are decoded in small slices,
and each output is yielded before the next slice is decoded. So when the caller stops reading, no more memory and time
are used.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator

SLICE_BYTES = 2**10  # deflate expands one byte to at most 1032, so a piece of output has at most about 1 MB
MAX_MEMBERS = 1000  # each member costs time, even an empty one
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Undecodable(ValueError):
    """The bytes do not match their encoding, or the encoding is not accepted."""


def decoded(encoding: str, accepted: Collection[str], chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a body in pieces of about 1 MB at most, some of which may be empty.

    `encoding` is the value of `Content-Encoding` (RFC 9110, section 8.4.1), empty if there is none; `accepted` may
    contain "gzip" and "deflate". Several compressed members in a row are one body (RFC 1952, section 2.2). "deflate"
    means zlib's format, but some servers send bare deflate.

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
        raise Undecodable("the answer has an encoding that was not requested")


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
        for start in range(0, len(chunk), SLICE_BYTES):
            yield chunk[start : start + SLICE_BYTES]


def _format(name: str, first: int) -> int:
    """The `wbits` argument for zlib, from the name of the encoding and the first byte of the stream.

    The lower four bits of this byte are 8 in zlib's own format, but not in bare deflate.
    """
    if name != "deflate":
        return GZIP
    return ZLIB if first & 0x0F == zlib.DEFLATED else RAW
