"""Rules for every route: access, the form of errors, and the headers of every answer."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from sora_proxy.api import FOR_CLIENTS, OPEN
from sora_proxy.api.context import SUPERVISOR
from tests.conftest import ADMIN_KEY, CLIENT_KEY, Proxy, Simulator, StartProxy, in_front_of, upstream_keys
from tests.streams import read_stream

CLOSED = [(route.method, route.path.replace("{id}", "x").replace("{model:.+}", "x")) for route in FOR_CLIENTS]


def is_openai_error(body: Any) -> bool:
    return set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=[f"{method} {path}" for method, path in CLOSED])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {CLIENT_KEY}x"},
        {"authorization": f"Bearer {CLIENT_KEY[:-1]}"},
        {"authorization": CLIENT_KEY},
        {"authorization": f"Basic {CLIENT_KEY}"},
        {"authorization": "Bearer schlüssel"},
        {"authorization": "Bearer "},
        {"api-key": "wrong"},
    ],
    ids=str,
)
async def test_every_route_of_the_api_refuses_requests_without_a_key(
    proxy: Proxy, session: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str]
) -> None:
    async with session.request(method, proxy.url + path, headers=headers) as answer:
        assert answer.status == 401
        body = await answer.json()
    assert is_openai_error(body)
    assert body["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {CLIENT_KEY}"},
        {"authorization": f"bearer  {CLIENT_KEY} "},
        {"api-key": CLIENT_KEY},
        {"authorization": f"Bearer {ADMIN_KEY}"},
    ],
    ids=["bearer", "bearer in lower case and with extra spaces", "api-key", "the admin key"],
)
async def test_a_client_key_is_accepted(proxy: Proxy, session: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with session.get(f"{proxy.url}/v1/models", headers=headers) as answer:
        assert answer.status == 200


async def test_only_the_open_routes_need_no_key(proxy: Proxy, session: aiohttp.ClientSession) -> None:
    health = {"/health", "/health/live", "/health/ready"}
    pages = {"/", "/page/{name}", "/openapi.json", "/docs"}
    opened = health | pages | {"/images/{name}", "/admin/api/login"}
    assert {route.path for route in OPEN} == opened
    for path in health:
        async with session.get(proxy.url + path) as answer:
            assert answer.status == 200
            body = await answer.json()
            assert body["status"] == "ok"
            assert set(body) <= {"status", "timestamp", "backend", "backends", "restarting"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/index.html", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-9", 404, "model_not_found"),
        ("GET", "/v1/generation/chatcmpl-unknown", 404, "not_found"),
        ("GET", "/v1/generation/%00%0d%0a", 404, "not_found"),
        ("GET", "/v1/chat/completions/chatcmpl-unknown?model=m", 404, "not_found"),
        ("GET", "/images/../../etc/passwd", 404, "not_found"),
        ("GET", "/images/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("GET", "/images//etc/passwd", 404, "not_found"),
        ("GET", "/images/0123456789abcdef0123456789abcdef.png", 404, "not_found"),
        ("GET", "/images/0123456789abcdef0123456789abcdef.svg", 404, "not_found"),
    ],
)
async def test_an_unknown_path_is_answered_with_an_error_object(
    proxy: Proxy, method: str, path: str, status: int, code: str
) -> None:
    async with proxy.client.request(method, proxy.url + path) as answer:
        assert answer.status == status
        assert answer.content_type == "application/json"
        body = await answer.json()
        assert "allow" in answer.headers or status != 405
    assert is_openai_error(body)
    assert body["error"]["code"] == code


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"\xff\xfe{\x00}\x00", 400, None),
        (b'{"model": "sora-1.0"}', 400, "messages"),
        (b'{"model": "sora-1.0", "messages": []}', 400, "messages"),
        (b'{"model": "nope", "messages": [{"role": "user", "content": "x"}]}', 404, "model"),
        (b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "x"}], "n": 5}', 400, "n"),
        (b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "x"}], "n": true}', 400, "n"),
        (b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "x"}], "size": "9x9"}', 400, "size"),
        (b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "  "}]}', 400, "messages"),
        (b'{"model": "sora-1.0", "messages": [{"role": "king", "content": "x"}]}', 400, "messages[0].role"),
        (
            b'{"model": "sora-1.0", "messages": [{"role": "user", "content": "data:image/png;base64,xx! paint"}]}',
            400,
            "messages",
        ),
        (
            (
                b'{"model": "sora-1.0", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, '
                b'{"type": "image_url", "image_url": "http://127.0.0.1/x.png"}]}]}'
            ),
            400,
            "messages",
        ),
        (b'{"model": "sora-1.0", "messages": ' + b"[" * 200_000, 400, None),
    ],
)
async def test_a_bad_order_is_refused_with_the_name_of_the_parameter(
    proxy: Proxy, simulator: Simulator, body: bytes, status: int, param: str | None
) -> None:
    async with proxy.client.post(f"{proxy.url}/v1/chat/completions", data=body) as answer:
        assert answer.status == status
        refusal = await answer.json()
    assert is_openai_error(refusal)
    assert refusal["error"]["param"] == param
    assert (await simulator.stats())["registered"] == 0


async def test_a_body_that_is_too_large_is_refused(proxy: Proxy) -> None:
    body = io.BytesIO(b'{"prompt": "' + b"x" * 33 * 2**20 + b'"}')
    async with proxy.client.post(f"{proxy.url}/v1/chat/completions", data=body) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"]["code"] == "request_too_large"


async def test_ignored_parameters_are_accepted_with_absurd_values(proxy: Proxy) -> None:
    ignored: dict[str, Any] = {
        "max_tokens": 0,
        "frequency_penalty": -2,
        "tools": [1],
        "stop": {},
        "temperature": "hot",
        "what": None,
    }
    async with proxy.chat(**ignored, stream=None, n=None, stream_options=None) as answer:
        assert answer.status == 200


async def test_every_answer_carries_a_request_id(proxy: Proxy) -> None:
    async with proxy.client.get(f"{proxy.url}/v1/models") as answer:
        assert answer.headers["x-request-id"].startswith("req_")
        float(answer.headers["openai-processing-ms"])
    async with proxy.client.get(f"{proxy.url}/nothing", headers={"x-request-id": "mine-1"}) as answer:
        assert answer.headers["x-request-id"] == "mine-1"
    async with proxy.client.get(f"{proxy.url}/nothing", headers={"x-request-id": "a b<script>"}) as answer:
        assert answer.headers["x-request-id"].startswith("req_")
    async with proxy.chat(stream=True) as answer:
        assert answer.headers["x-request-id"].startswith("req_")


async def test_models_can_be_listed_and_retrieved(proxy: Proxy) -> None:
    listed = await proxy.get("/v1/models")
    assert listed["object"] == "list"
    assert listed["data"][0]["id"] == "sora-1.0"
    for model in listed["data"]:
        assert set(model) >= {"id", "object", "created", "owned_by"}
        assert await proxy.get(f"/v1/models/{model['id']}") == model


async def test_models_show_their_capabilities_without_a_call_to_a_back_end(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    aliases = {"openai/gpt-image-1": "sora-image"}
    async with start_proxy(**in_front_of(simulator), model_aliases=aliases) as proxy:
        model = await proxy.get("/v1/models/openai%2Fgpt-image-1")
        listed = (await proxy.get("/v1/models"))["data"]
        assert (await simulator.stats())["requests"] == {}
        async with proxy.chat(model="openai/gpt-image-1", background=True) as answer:
            told = (await answer.json())["model"]
    assert model == listed[2]
    assert model["capabilities"]["max_images"] == 4
    assert "1024x1024" in model["capabilities"]["sizes"]
    assert (model["alias_of"], told) == ("sora-image", "openai/gpt-image-1")
    assert "shutdown_date" not in model


async def test_models_of_a_closed_service_show_its_shutdown_date(start_proxy: StartProxy) -> None:
    async with start_proxy(upstream="sora", api_keys=upstream_keys()) as proxy:
        assert (await proxy.get("/v1/models/sora-1.0"))["shutdown_date"] == "2026-04-26"


async def test_a_request_for_another_clients_generation_is_answered_like_an_unknown_id(
    proxy: Proxy, session: aiohttp.ClientSession
) -> None:
    async with proxy.chat() as answer:
        generation_id = (await answer.json())["id"]
    answers = []
    for asked in (generation_id, "chatcmpl-" + "0" * 32):
        path = f"{proxy.url}/v1/generation/{asked}"
        async with session.get(path, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as answer:
            answers.append((answer.status, json.dumps(await answer.json()).replace(asked, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize(("trusted", "origin"), [("127.0.0.0/8", "https://images.example.com"), ("10.0.0.0/8", None)])
async def test_only_forwarding_headers_of_trusted_proxies_are_used(
    start_proxy: StartProxy, simulator: Simulator, trusted: str, origin: str | None
) -> None:
    settings = in_front_of(simulator)
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "images.example.com"}
    async with (
        start_proxy(**settings, image_localization=True, trusted_proxies=trusted) as proxy,
        proxy.chat(headers=forwarded) as answer,
    ):
        content = (await answer.json())["choices"][0]["message"]["content"]
    assert f"({origin or proxy.url}/images/" in content


async def test_a_stopping_server_refuses_orders_and_ends_each_stream_with_its_generation_id(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    await simulator.order_fault("never_finish", times=None)
    async with start_proxy(**settings) as proxy, proxy.chat(stream=True) as answer:
        await simulator.wait_for(registered=1)
        assert await proxy.app[SUPERVISOR].stop(5)
        text = (await answer.read()).decode()
        assert answer.headers["x-generation-id"] in text.split("data: ")[-1]
        assert "server_stopping" in text
        assert not text.endswith("[DONE]\n\n")
        async with proxy.chat() as refused:
            assert refused.status == 503
            assert (await refused.json())["error"]["code"] == "overloaded"
            assert int(refused.headers["retry-after"]) > 0
        async with proxy.client.get(f"{proxy.url}/health/ready") as ready:
            assert ready.status == 503
        async with proxy.client.get(f"{proxy.url}/health/live") as live:
            assert live.status == 200


async def test_fifty_streams_at_once_are_all_served(proxy: Proxy, simulator: Simulator) -> None:
    async def one(number: int) -> bool:
        async with proxy.chat(f"number {number}", stream=True) as answer:
            return (await read_stream(answer)).done

    assert all(await asyncio.gather(*(one(number) for number in range(50))))
    assert (await simulator.stats())["registered"] == 50


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "no-such"])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/images/edits"])
async def test_a_compressed_body_is_refused_before_it_is_decompressed(proxy: Proxy, route: str, encoding: str) -> None:
    headers = {"content-encoding": encoding, "content-type": "multipart/form-data; boundary=x"}
    async with proxy.client.post(proxy.url + route, data=b"not packed at all", headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "unsupported_media_type"
