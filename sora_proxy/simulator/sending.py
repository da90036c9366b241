"""Sending: breaks connections, and sends answers in faulty ways: only a part, very slowly, or with endless filler."""

import contextlib
import socket
import struct

from aiohttp import web

from sora_proxy.simulator.stopping import STOPPING

BLOCK = 64 * 1024
CUT_STATUS = 499  # never sent; marks connections that were cut


def cut(request: web.Request, *, reset: bool) -> web.Response:
    """Break the connection, with a reset or an ordinary close."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response(status=CUT_STATUS)


async def send_some(request: web.Request, answer: web.Response, part: bytes, *, reset: bool) -> web.StreamResponse:
    """Declare the whole answer, send a part of it, and break the connection."""
    stream = _stream_like(answer)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        await stream.write(part)
    cut(request, reset=reset)
    return stream


async def send_slowly(request: web.Request, answer: web.Response, size: int, seconds: float) -> web.StreamResponse:
    """Send an answer in pieces of `size` bytes, with a pause of `seconds` before each piece."""
    stream, body = _stream_like(answer), _bytes_of(answer)
    stopping = request.app[STOPPING]
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        for start in range(0, len(body), size):
            if not await stopping.pause(seconds):
                cut(request, reset=False)
                break
            await stream.write(body[start : start + size])
    return stream


async def send_long(
    request: web.Request, content_type: str, parts: tuple[bytes, bytes, bytes], size: int, declared: bool
) -> web.StreamResponse:
    """Send a beginning, `size` bytes of filler, and an end. If the length is not `declared`, the transfer is
    chunked."""
    start, filler, end = parts
    stream = web.StreamResponse(headers={"Content-Type": content_type})
    if declared:
        stream.content_length = len(start) + size + len(end)
    block = filler * BLOCK
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        await stream.write(start)
        for _ in range(size // BLOCK):
            await stream.write(block)
        await stream.write(end)
    return stream


def _stream_like(answer: web.Response) -> web.StreamResponse:
    stream = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    stream.content_length = len(_bytes_of(answer))
    return stream


def _bytes_of(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""
