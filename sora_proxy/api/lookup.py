"""Finds and deletes a client's generations, and describes unfinished ones in headers and failures."""

from collections.abc import Callable

from aiohttp import web

from sora_proxy.api.context import BACKENDS_IN_USE, RETENTION, SUPERVISOR
from sora_proxy.api.http.context import CLIENT, ORDER_HEADERS
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.event_log import Failed
from sora_proxy.generation import FINAL, Generation, Status
from sora_proxy.orders.backends import Backends

POLL_AFTER_SECONDS = 2
BACKEND_HEADER = "x-sora-proxy-backend"


async def find(
    request: web.Request, *, noun: str = "generation", id_of: Callable[[str], str] = lambda given: given
) -> Generation:
    """The client's generation that the path names. The generation of another client is reported as not existing.

    A route that has ids of its own passes `id_of`, which converts such an id to a generation's id, and a `noun` for
    messages. Raises ClientError.
    """
    given = request.match_info["id"]
    generation = await find_by_id(request, id_of(given))
    if generation is None:
        raise ClientError(f"The {noun} {given[:80]!r} does not exist.", code="not_found", param="id")
    name_order(request, generation)
    return generation


async def find_by_id(request: web.Request, generation_id: str) -> Generation | None:
    """The client's generation with this id, if there is one."""
    return await request.app[SUPERVISOR].find(generation_id, request[CLIENT])


async def forget(request: web.Request, generation: Generation) -> None:
    """Delete all stored data of a finished generation. Raises ClientError."""
    if generation.status not in FINAL:  # a cancelled generation may still have a task at the back end
        raise ClientError(
            "The generation has not ended yet. Cancel it, or wait until it has ended.", code="conflict", param="id"
        )
    await request.app[RETENTION].forget([generation.id])


def poll_headers(generation: Generation) -> dict[str, str]:
    """The headers that tell a client when to ask about the generation again. A generation that has ended has no such
    headers."""
    if generation.ended:
        return {}
    return {"Retry-After": str(POLL_AFTER_SECONDS), "openai-poll-after-ms": str(POLL_AFTER_SECONDS * 1000)}


def why_no_images(generation: Generation, name: str) -> Failed | None:
    """The failure to report to a client that waited for images; None if the images were made.

    `name` is the id by which the client knows the generation.
    """
    if generation.failure or generation.status is Status.completed:
        return generation.failure
    message = f"This request timed out, but the order continues. Retrieve {name} later."
    return Failed("generation_timeout", message)


def why_cut(generation: Generation, address: str) -> Failed:
    """The failure to report when a stream ends before its generation. The stream can be resumed at `address`."""
    if generation.overdue:
        where = f"Resume the stream later at {address}"
        message = f"The order is taking too long for this stream, but it continues. {where}"
        return Failed("generation_timeout", message)
    return Failed("server_stopping", f"The server is stopping. The order continues; resume this stream at {address}")


def name_backend(request: web.Request) -> None:
    """Name the back end in the headers of the answer if only one is enabled. `name_order` replaces these headers."""
    names = [backend.name for backend in request.app[BACKENDS_IN_USE].enabled]
    request[ORDER_HEADERS] = lambda: {BACKEND_HEADER: names[0]} if len(names) == 1 else {}


def name_order(request: web.Request, generation: Generation) -> None:
    """Put an order's id into the headers of the answer, and the order's back end if that is known when the headers are
    sent."""
    backends = request.app[BACKENDS_IN_USE]
    request[ORDER_HEADERS] = lambda: _order_headers(generation, backends)


def _order_headers(generation: Generation, backends: Backends) -> dict[str, str]:
    backend = generation.state.backend
    if generation.status is Status.queued:
        serving = backends.serving(generation.spec)
        backend = serving[0].name if len(serving) == 1 else None
    return {"x-generation-id": generation.id} | ({BACKEND_HEADER: backend} if backend else {})
