"""Wire: the routes of Sora's web protocol."""

import asyncio
from typing import Any

import orjson
from aiohttp import BodyPartReader, web

from sora_proxy.simulator import refusals, shapes
from sora_proxy.simulator.answering import account_token, answer, base_of
from sora_proxy.simulator.drawing import UnusableImage, preview_of
from sora_proxy.simulator.fates import fate_of
from sora_proxy.simulator.faults import Call
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.lifecycle import Order, Task
from sora_proxy.simulator.media import asset_of, draw_ahead, image_of
from sora_proxy.simulator.orders import order_of
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.state import SIMULATOR, Simulator

DRAW_DELAY_SECONDS = 1.0
LARGEST_UPLOAD = 32 * 2**20  # bytes
DEFAULT_PAGE = 20
UPLOAD_BLOCK = 256 * 1024


def add_routes(app: web.Application) -> None:
    """Add the protocol's routes. The name of a route is the name of its endpoint in faults and stats."""
    app.add_routes(
        [
            web.post("/backend/video_gen", submit, name="submit"),
            web.get("/backend/video_gen", list_tasks, name="list", allow_head=False),
            web.get("/backend/video_gen/{id}", get_task, name="task", allow_head=False),
            web.post("/backend/uploads", upload, name="upload"),
            web.get("/backend/parameters", parameters, name="parameters", allow_head=False),
            web.get("/media/uploads/{id}.jpg", uploaded_image, allow_head=False),
            web.get("/media/{id}/{variant}.png", media, name="media", allow_head=False),
        ]
    )


async def submit(request: web.Request) -> web.StreamResponse:
    """Register an order."""
    token = account_token(request)
    order = order_of(_parsed(await request.read()))
    simulator = request.app[SIMULATOR]

    def truth() -> web.Response:
        return json_response(shapes.submitted_json(_register(simulator, token, order)))

    return await answer(request, Call("submit", token, order.prompt), truth)


def _register(simulator: Simulator, token: str, order: Order) -> Task:
    rule = simulator.faults.fate_rule(Call("submit", token, order.prompt))
    task = simulator.engine.register(token, order, fate_of(rule))
    if rule is not None:
        simulator.faults.strike(rule)
    simulator.ledger.task_registered(task)
    # Drawing begins later, so that it does not delay the answer to the order.
    asyncio.get_running_loop().call_later(DRAW_DELAY_SECONDS, draw_ahead, simulator, task)
    return task


async def list_tasks(request: web.Request) -> web.StreamResponse:
    """List the account's newest tasks."""
    token, simulator = account_token(request), request.app[SIMULATOR]
    limit = _limit(request.query.get("limit"), simulator.options.page_limit)

    def truth() -> web.Response:
        page = simulator.engine.page(token, limit, request.query.get("before") or None)
        return json_response(shapes.list_json(simulator, page, base_of(request)))

    return await answer(request, Call("list", token), truth)


async def get_task(request: web.Request) -> web.StreamResponse:
    """Show one task."""
    token, simulator = account_token(request), request.app[SIMULATOR]
    task_id = request.match_info["id"]
    task = simulator.engine.task(task_id, token)

    def truth() -> web.Response:
        if task is None:
            raise Refusal(404, "task_not_found", "This account has no task with that id.")
        return json_response(shapes.task_json(simulator, task, base_of(request)))

    return await answer(request, Call("task", token, task.order.prompt if task else None), truth)


async def upload(request: web.Request) -> web.StreamResponse:
    """Store an image for a remix."""
    token, simulator = account_token(request), request.app[SIMULATOR]
    file = await _uploaded_file(request)
    try:
        preview = await simulator.artist.work(lambda: preview_of(file))
    except UnusableImage as error:
        raise refusals.invalid("invalid_image", str(error)) from error

    def truth() -> web.Response:
        stored = simulator.engine.add_upload(token, preview)
        simulator.ledger.uploaded(stored.id, token, len(file))
        url = f"{base_of(request)}/media/uploads/{stored.id}.jpg"
        return json_response({"id": stored.id, "type": "image", "url": url})

    return await answer(request, Call("upload", token), truth)


async def uploaded_image(request: web.Request) -> web.StreamResponse:
    """Send the preview of an upload to any client that knows its id."""
    stored = request.app[SIMULATOR].engine.any_upload(request.match_info["id"])
    if stored is None:
        raise Refusal(404, "not_found", "There is nothing at this URL.")
    return web.Response(body=stored.image, content_type="image/jpeg")


async def parameters(request: web.Request) -> web.StreamResponse:
    """Show the permissions of the account."""
    token, simulator = account_token(request), request.app[SIMULATOR]
    return await answer(request, Call("parameters", token), lambda: json_response(shapes.parameters_json(simulator)))


async def media(request: web.Request) -> web.StreamResponse:
    """Send an image to any client that knows its URL."""
    simulator, place = request.app[SIMULATOR], request.match_info
    asset = asset_of(simulator, place["id"], place["variant"], dict(request.query))
    image = await image_of(simulator, asset)
    call = Call("media", asset.task.token, asset.task.order.prompt)
    return await answer(request, call, lambda: web.Response(body=image, content_type="image/png"))


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusals.invalid("invalid_json", "The body is not JSON.") from error


def _limit(given: str | None, most: int) -> int:
    if given is None:
        return min(DEFAULT_PAGE, most)
    if not (given.isascii() and given.isdecimal() and int(given[:9]) > 0):
        raise refusals.invalid("invalid_limit", "`limit` must be a whole number, 1 or more.")
    return min(int(given[:9]), most)


async def _uploaded_file(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        raise refusals.invalid("invalid_upload", "An upload is a multipart form with a `file`.")
    file: bytes | None = None
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "file":
                file = await _limited(part)
    except ValueError as error:
        raise refusals.invalid("invalid_upload", "The multipart form is damaged.") from error
    if not file:
        raise refusals.invalid("invalid_upload", "The form has no `file`, or it is empty.")
    return file


async def _limited(part: BodyPartReader) -> bytes:
    content = bytearray()
    while block := await part.read_chunk(UPLOAD_BLOCK):
        content += block
        if len(content) > LARGEST_UPLOAD:
            raise Refusal(413, "upload_too_large", f"An upload may have at most {LARGEST_UPLOAD} bytes.")
    return bytes(content)
