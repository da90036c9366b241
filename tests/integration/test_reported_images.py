"""Faults that users of image gateways reported for servers with OpenAI's Images API, each in several forms."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from tests.conftest import Proxy, StartProxy
from tests.integration.test_openai_images import backend_of, error
from tests.listening import listening
from tests.sora_server import GIF

ENCODED = base64.b64encode(GIF).decode()


@dataclass
class Order:
    """An order as a server received it. `files` contains the field, the name, the type and the bytes of each file."""

    path: str
    query: str
    key: str | None
    fields: dict[str, Any]
    files: list[tuple[str, str, str, bytes]] = field(default_factory=list)


class Server:
    """A server that accepts orders at any path. It sends `answers` first, and then default answers."""

    def __init__(self) -> None:
        self.url = ""
        self.orders: list[Order] = []
        self.answers: list[web.Response] = []
        self.locations: dict[str, str] = {}
        self.asked: list[str] = []

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{path:.*}", self._order)
        app.router.add_get("/{path:.*}", self._models)
        runner, self.url = await listening(app)
        return runner

    async def _models(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        if (location := self.locations.get(request.path)) is not None:
            return web.Response(status=302, headers={"location": location})
        return web.Response(body=GIF) if request.path.endswith(".png") else web.json_response({"data": []})

    async def _order(self, request: web.Request) -> web.Response:
        key = request.headers.get("api-key") or request.headers.get("authorization")
        order = Order(request.path, request.query_string, key, {})
        if request.content_type == "application/json":
            order.fields = await request.json()
        else:
            for name, value in (await request.post()).items():
                if isinstance(value, web.FileField):
                    content = await asyncio.to_thread(value.file.read)
                    order.files.append((name, value.filename, value.content_type, content))
                else:
                    order.fields[name] = value
        self.orders.append(order)
        return self.answers.pop(0) if self.answers else web.json_response({"data": [{"b64_json": ENCODED}]})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await server.start()
    yield server
    await runner.cleanup()


def entry(server: Server, profile: str, models: Any = ("pic",), path: str = "", **fields: Any) -> dict[str, Any]:
    where = {"name": "images", "kind": "openai_images", "base_url": server.url + path, "keys": [{"key": "one"}]}
    return {**where, "models": models, "options": {"profile": profile}, **fields}


async def generate(proxy: Proxy, **fields: Any) -> tuple[int, Any]:
    body = {"model": "pic", "prompt": "a red fox"} | fields
    async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as found:
        return found.status, await found.json()


async def edit(proxy: Proxy, *files: tuple[str, bytes]) -> tuple[int, Any]:
    form = aiohttp.FormData({"prompt": "at night", "model": "pic"})
    for name, content in files:
        form.add_field(name, content, filename="upload", content_type="application/octet-stream")
    async with proxy.client.post(f"{proxy.url}/v1/images/edits", data=form) as found:
        return found.status, await found.json()


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, kind)
    return file.getvalue()


BLOCKED = [
    (403, error(None, "invalid_request_error", "Your organization must be verified to use the model"), "verification"),
    (403, error("Forbidden", None, "Your account is blocked, see our content policy"), "blocked"),
    (403, {"message": "forbidden"}, "is not allowed to do this"),
    (401, {"detail": "invalid key"}, "does not accept the key"),
    (400, error("400", "no_db_connection", "No connected db."), "does not accept the key"),
    (429, error("insufficient_quota", "insufficient_quota", "You exceeded your current quota"), "no credit left"),
]


@pytest.mark.parametrize(("status", "body", "cause"), BLOCKED)
async def test_an_error_about_a_blocked_account_does_not_blame_the_prompt(
    start_proxy: StartProxy, server: Server, status: int, body: Any, cause: str
) -> None:
    server.answers = [web.json_response(body, status=status)]
    async with start_proxy(backends=[entry(server, "litellm")]) as proxy:
        for _ in range(2):
            found, refusal = await generate(proxy)
            assert found >= 500
            assert "data" not in refusal
            assert refusal["error"]["code"] == "no_upstream_key"
            assert cause in refusal["error"]["message"]
            assert "policy" not in refusal["error"]["message"]
        (key,) = backend_of(proxy, "images").keys.keys
        assert key.rejected
    assert len(server.orders) == 1


@pytest.mark.parametrize(
    ("profile", "path", "expected"),
    [
        ("azure", "/openai", ("/openai/deployments/d1/images/generations", "api-version=2025-04-01-preview", None)),
        ("azure", "/openai/v1", ("/openai/v1/images/generations", "", "d1")),
        ("openai", "/v1", ("/v1/images/generations", "", "d1")),
    ],
)
async def test_the_deployment_of_a_model_is_sent_in_the_path_or_in_the_body(
    start_proxy: StartProxy, server: Server, profile: str, path: str, expected: tuple[str, str, str | None]
) -> None:
    async with start_proxy(backends=[entry(server, profile, {"pic": "d1"}, path)]) as proxy:
        assert (await generate(proxy))[0] == 200
    (order,) = server.orders
    assert (order.path, order.query, order.fields.get("model")) == expected


@pytest.mark.parametrize(
    ("model", "size", "sent", "ordered"),
    [
        (("seedream", "doubao-seedream-4-5-251128"), "1024x1024", {"size": "2048x2048"}, "2048x2048"),
        (("seedream", "doubao-seedream-4-5-251128"), "2560x1600", {"size": "2560x1600"}, "2560x1600"),
        (("xai", "grok-imagine-image"), "1024x1536", {"aspect_ratio": "2:3"}, "1024x1536"),
        (("xai", "grok-imagine-image"), "1536x1024", {"aspect_ratio": "3:2"}, "1536x1024"),
        (("museq", "any"), "32x32", {"size": "64x64"}, "64x64"),
        (("siliconflow", "Kwai-Kolors/Kolors"), "1024x1024", {"image_size": "1024x1024"}, "1024x1024"),
    ],
)
async def test_a_size_is_sent_in_the_format_that_the_server_expects(
    start_proxy: StartProxy, server: Server, model: tuple[str, str], size: str, sent: dict[str, str], ordered: str
) -> None:
    async with start_proxy(backends=[entry(server, model[0], [model[1]])]) as proxy:
        status, found = await generate(proxy, model=model[1], size=size)
        assert (status, found["ordered_size"]) == (200, ordered)
    (order,) = server.orders
    assert {name: order.fields[name] for name in ("size", "image_size", "aspect_ratio") if name in order.fields} == sent


async def test_an_error_that_is_a_string_counts_as_a_refusal_of_the_order(
    start_proxy: StartProxy, server: Server
) -> None:
    server.answers = [web.json_response({"code": "400", "error": "Argument not supported: size"}, status=400)]
    async with start_proxy(backends=[entry(server, "xai")]) as proxy:
        status, refusal = await generate(proxy)
        assert (status, refusal["error"]["code"]) == (400, "order_refused")
        assert (await generate(proxy))[0] == 200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_the_type_of_a_file_is_detected_from_its_bytes(
    start_proxy: StartProxy, server: Server, kind: str
) -> None:
    image, ending = picture(kind), kind.lower()
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        status, found = await edit(proxy, ("image[]", image), ("image[]", image), ("mask", picture("PNG")))
        assert status == 200, found
    (order,) = server.orders
    assert order.path == "/images/edits"
    assert [(name, content_type) for name, _, content_type, _ in order.files] == [
        ("image[]", f"image/{ending}"),
        ("image[]", f"image/{ending}"),
        ("mask", "image/png"),
    ]
    assert order.files[0][1].endswith(f".{ending}")
    assert order.files[2][3] == picture("PNG")


@pytest.mark.parametrize("profile", ["xai", "localai", "seedream"])
async def test_a_mask_is_refused_if_the_model_cannot_use_masks(
    start_proxy: StartProxy, server: Server, profile: str
) -> None:
    async with start_proxy(backends=[entry(server, profile)]) as proxy:
        status, refusal = await edit(proxy, ("image", picture("PNG")), ("mask", picture("PNG")))
        assert (status, refusal["error"]["param"]) == (400, "mask")
    assert server.orders == []


@pytest.mark.parametrize("previews", [0, 1, 2])
async def test_a_stream_that_ends_without_an_image_has_an_unknown_outcome(
    start_proxy: StartProxy, server: Server, previews: int
) -> None:
    def event(number: int) -> str:
        fields = {"type": "image_generation.partial_image", "partial_image_index": number, "b64_json": ENCODED}
        return f"event: {fields['type']}\ndata: {json.dumps(fields)}\n\n"

    text = "".join(map(event, range(previews)))
    server.answers = [web.Response(text=text, content_type="text/event-stream")]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        order = {"model": "pic", "prompt": "a fox", "stream": True, "partial_images": 2}
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=order) as found:
            text = (await found.read()).decode()
        assert "image_generation.completed" not in text
        assert '"outcome_unknown"' in text
        (ended,) = (await proxy.get("/v1/generations"))["data"]
        assert (ended["status"], ended["pictures"]) == ("failed", [])
        status, refusal = await generate(proxy)
        assert status == 200, refusal
    assert [order.fields.get("stream", False) for order in server.orders] == [True, False]


SIGNED = "/img%2Fa%7E.png?cred=AK%2F2026&sig=a%2fb%2Bc%3D&t=2026-01-01T00%3A00%3A00Z"


@pytest.mark.parametrize("redirected", [False, True])
@pytest.mark.parametrize("relative", [False, True])
async def test_a_signed_address_is_requested_unchanged(
    start_proxy: StartProxy, server: Server, redirected: bool, relative: bool
) -> None:
    address = SIGNED if relative else server.url + SIGNED
    if redirected:
        server.locations["/moved"] = address
    server.answers = [web.json_response({"data": [{"url": f"{server.url}/moved" if redirected else address}]})]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        status, found = await generate(proxy)
        assert status == 200, found
    assert server.asked[-1] == SIGNED


@pytest.mark.parametrize("location", ["http://[bad", "http://", "", "ftp://example.com/1.png", "http://a b/", "\u00e9"])
async def test_an_image_behind_a_broken_redirect_does_not_affect_the_other_images(
    start_proxy: StartProxy, server: Server, location: str
) -> None:
    server.locations["/moved"] = location
    good, bad = {"b64_json": ENCODED}, {"url": f"{server.url}/moved"}
    server.answers = [web.json_response({"data": [good, bad, good]})]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        status, found = await generate(proxy, n=3)
        assert (status, len(found["data"])) == (200, 2), found
        assert [each["index"] for each in found.get("errors", [])] == [1]


WITHOUT = [
    {"message": "success", "code": 0, "data": []},
    {"message": "success", "detail": "none", "images": []},
]


@pytest.mark.parametrize("body", WITHOUT)
async def test_an_answer_with_a_message_instead_of_an_image_counts_as_a_missing_result(
    start_proxy: StartProxy, server: Server, body: Any
) -> None:
    server.answers = [web.json_response(body)]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        assert (await generate(proxy))[1]["error"]["code"] == "result_unavailable"


STREAMS = ("data: \n\n{event}\n\n", "data:\n\n: a comment\n\n{event}\n\n", "{event}", "{event}\n", "{event}\r\n\r\n")


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_may_have_empty_lines_and_no_terminator(
    start_proxy: StartProxy, server: Server, stream: str
) -> None:
    event = json.dumps({"type": "image_generation.completed", "b64_json": base64.b64encode(GIF * 100).decode()})
    server.answers = [web.Response(text=stream.format(event=f"data: {event}"), content_type="text/event-stream")]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        order = {"model": "pic", "prompt": "a fox", "stream": True, "partial_images": 1}
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=order) as found:
            assert "image_generation.completed" in await found.text()


async def test_a_string_that_resembles_our_placeholders_is_not_taken_for_an_image(
    start_proxy: StartProxy, server: Server
) -> None:
    server.answers = [
        web.json_response({"data": [{"b64_json": base64.b64encode(GIF * 200).decode()}, {"b64_json": "\x000\x00"}]})
    ]
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        assert len((await generate(proxy, n=2))[1]["data"]) == 1


@pytest.mark.parametrize(("model", "streams"), [("gpt-image-1", True), ("dall-e-3", False), ("dall-e-2", False)])
async def test_only_models_that_can_stream_are_asked_to_stream(
    start_proxy: StartProxy, server: Server, model: str, streams: bool
) -> None:
    order = {"model": model, "prompt": "a fox", "stream": True, "partial_images": 1}
    async with (
        start_proxy(backends=[entry(server, "openai", [model])]) as proxy,
        proxy.client.post(f"{proxy.url}/v1/images/generations", json=order) as found,
    ):
        await found.read()
    assert [order.fields.get("stream", False) for order in server.orders] == [streams]
