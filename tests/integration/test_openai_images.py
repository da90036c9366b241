"""The back end for OpenAI's Images API, with a server whose answers each test sets."""

import asyncio
import base64
import json
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sora_proxy.api.context import BACKENDS_IN_USE
from sora_proxy.api.reference.answer_schemas import ChatCompletion, ImagesAnswer
from sora_proxy.api.responses.schemas import ResponseAnswer
from sora_proxy.errors import ConfigurationError
from sora_proxy.orders.backend import Backend
from tests.conftest import ADMIN_KEY, CLIENT_KEY, Proxy, StartProxy, app_for
from tests.contract.conftest import killable
from tests.contract.openai_server import MODEL, OpenAIServer
from tests.contract.toy_server import image_of
from tests.eventually import eventually
from tests.scripted import Serve, behind_socks, leading_to
from tests.sora_server import GIF

ENCODED = base64.b64encode(GIF).decode()


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer()
    runner = await server.start()
    yield server
    await runner.cleanup()


def entry(server: OpenAIServer, name: str = "images", **fields: Any) -> dict[str, Any]:
    keys = [{"key": f"key-of-{name}", "name": name}]
    return {"name": name, "kind": "openai_images", "base_url": server.url, "keys": keys, "models": [MODEL], **fields}


def answer(status: int, body: Any, **headers: str) -> web.Response:
    return web.json_response(
        body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def error(code: str | None = None, kind: str | None = None, message: str = "a text of the back end") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


async def generate(proxy: Proxy, **fields: Any) -> tuple[int, Any, dict[str, str]]:
    body = {"model": MODEL, "prompt": "a red fox"} | fields
    async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as found:
        return found.status, await found.json(), dict(found.headers)


def state_of(proxy: Proxy, name: str = "images") -> Any:
    (key,) = backend_of(proxy, name).keys.keys
    return key


def backend_of(proxy: Proxy, name: str) -> Backend:
    return proxy.app[BACKENDS_IN_USE][name]


REFUSED = [
    (400, error("moderation_blocked", "image_generation_user_error"), 400, "content_policy_violation"),
    (400, error("content_policy_violation"), 400, "content_policy_violation"),
    (400, error("unknown_parameter", "invalid_request_error"), 400, "order_refused"),
    (400, {"code": "400", "error": "Argument not supported: size"}, 400, "order_refused"),
    (422, {"detail": [{"loc": ["size"], "msg": "bad", "type": "value_error"}]}, 400, "order_refused"),
    (404, error("model_not_found"), 400, "model_unavailable"),
    (413, error(), 413, "request_too_large"),
    (200, {"data": [{"b64_json": ENCODED, "respect_moderation": False}]}, 400, "content_policy_violation"),
]


@pytest.mark.parametrize(("status", "body", "expected", "code"), REFUSED)
async def test_a_refusal_of_the_order_is_final_and_does_not_affect_the_key(
    start_proxy: StartProxy, server: OpenAIServer, status: int, body: Any, expected: int, code: str
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        found, refusal, headers = await generate(proxy)
        assert (found, refusal["error"]["code"]) == (expected, code)
        assert "text of the back end" not in refusal["error"]["message"]
        assert headers.get("x-should-retry", "false") == "false"
        assert (await generate(proxy))[0] == 200
    assert len(server.bodies) == 2


KEYS = [
    (401, error("invalid_api_key")),
    (402, error()),
    (403, error("Forbidden", None, "content policy, says Azure of a blocked account")),
    (403, error(None, "invalid_request_error", "Your organization must be verified")),
    (429, error("insufficient_quota", "insufficient_quota")),
    (400, error("billing_hard_limit_reached")),
]


@pytest.mark.parametrize(("status", "body"), KEYS)
async def test_a_rejected_key_is_out_of_service_and_another_key_makes_the_image(
    start_proxy: StartProxy, server: OpenAIServer, status: int, body: Any
) -> None:
    server.answers = [answer(status, body)]
    keys = [{"key": "one", "name": "one"}, {"key": "two", "name": "two"}]
    async with start_proxy(backends=[entry(server, keys=keys)]) as proxy:
        assert (await generate(proxy))[0] == 200
        one, two = backend_of(proxy, "images").keys.keys
        assert (bool(one.rejected), bool(two.rejected)) in ((True, False), (False, True))
    assert server.registered == 1


LIMIT = "Rate limit reached for gpt-image-1.5 (for limit gpt-image) in organization org-1 on input-images per min: "


@pytest.mark.parametrize(
    ("headers", "message", "family", "seconds"),
    [
        ({"retry_after_ms": "12500"}, "", MODEL, 12.5),
        ({"retry_after": "12"}, "", MODEL, 12),
        ({}, LIMIT + "Limit 5, Used 5, Requested 1. Please try again in 12s.", "gpt-image*", 12),
        ({}, "Please try again in 350ms.", MODEL, 1),
        ({}, "Please try again in 1m20.5s.", MODEL, 80.5),
        ({}, "a limit (for limit dall-e)", MODEL, 1),
    ],
)
async def test_a_rate_limit_applies_to_one_model_family_for_the_stated_time(
    start_proxy: StartProxy, server: OpenAIServer, headers: dict[str, str], message: str, family: str, seconds: float
) -> None:
    server.answers = [answer(429, error("rate_limit_exceeded", "requests", message), **headers)]
    async with start_proxy(backends=[entry(server, models=[MODEL, "gpt-image-1-mini", "flux"])]) as proxy:
        async with proxy.chat(model=MODEL, background=True) as placed:
            assert placed.status == 200
        await eventually(lambda: is_cooling_down(proxy))
        (found,) = state_of(proxy).family_cooldowns(backend_of(proxy, "images").keys.now).items()
        assert found[0] == family
        assert found[1].until - backend_of(proxy, "images").keys.now == pytest.approx(seconds, abs=1.5)
        assert (await generate(proxy, model="flux"))[0] == 200
        view = (await proxy.admin_get("/admin/api/keys"))["data"][0]
        assert set(view["resting_models"]) <= {family}
    assert [body["model"] for body in server.bodies][:2] == [MODEL, "flux"]


async def is_cooling_down(proxy: Proxy) -> bool:
    return bool(state_of(proxy).family_cooldowns(backend_of(proxy, "images").keys.now))


@pytest.mark.parametrize(("reset", "seconds"), [("1s", 1), ("6m0s", 360), ("300ms", 1), ("1h2m3s", 900)])
async def test_the_last_order_within_a_limit_makes_the_key_cool_down_for_its_model(
    start_proxy: StartProxy, server: OpenAIServer, reset: str, seconds: float
) -> None:
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": reset}
    server.answers = [answer(200, {"created": 1, "data": [{"b64_json": ENCODED}]}, **headers)]
    async with start_proxy(backends=[entry(server, models=[MODEL, "flux"])]) as proxy:
        assert (await generate(proxy))[0] == 200
        pool = backend_of(proxy, "images").keys
        assert state_of(proxy).family_cooldowns(pool.now)[MODEL].until - pool.now == pytest.approx(seconds, abs=1.5)
        assert (await generate(proxy, model="flux"))[0] == 200


@pytest.mark.parametrize("headers", [{}, {"x_ratelimit_remaining_requests": "3", "x_ratelimit_reset_requests": "9s"}])
@pytest.mark.parametrize("reset", ["", "soon", "-1s", "0s"])
async def test_rate_limit_headers_cause_no_cooldown_unless_they_state_when_an_exhausted_limit_resets(
    start_proxy: StartProxy, server: OpenAIServer, headers: dict[str, str], reset: str
) -> None:
    more = headers or {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": reset}
    server.answers = [answer(200, {"created": 1, "data": [{"b64_json": ENCODED}]}, **more)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        assert (await generate(proxy))[0] == 200
        assert not await is_cooling_down(proxy)


async def test_the_usage_that_the_back_end_reports_is_passed_on(start_proxy: StartProxy, server: OpenAIServer) -> None:
    details = {"text_tokens": 9, "image_tokens": 41}
    counts = {"input_tokens": 50, "input_tokens_details": details, "output_tokens": 1056, "total_tokens": 1106}
    usage = counts | {"cost_in_usd_ticks": 400000}
    odd = {"text": "none of yours", "many": 10**30, "less": -1, "Bad name": 1, "sure": True, "deep": {"deeper": {}}}
    server.answers = [answer(200, {"created": 1, "data": [{"b64_json": ENCODED}], "usage": usage | odd})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        made = (await generate(proxy))[1]
        assert made["usage"] == usage | {"deep": {}}
        ImagesAnswer.model_validate(made, strict=True)  # the document allows the figures of back ends
    server.answers = [answer(200, {"created": 1, "data": [{"b64_json": ENCODED}], "usage": usage}) for _ in range(2)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        async with proxy.chat(model=MODEL) as found:
            chat = ChatCompletion.model_validate_json(await found.read(), strict=True).usage.model_dump()
        assert chat == {
            "cost_in_usd_ticks": 400000,
            "prompt_tokens": 50,
            "completion_tokens": 1056,
            "total_tokens": 1106,
        }
        async with proxy.client.post(f"{proxy.url}/v1/responses", json={"model": MODEL, "input": "a fox"}) as found:
            response = ResponseAnswer.model_validate_json(await found.read(), strict=True).usage
        assert response is not None
        assert (response.input_tokens, response.output_tokens, response.total_tokens) == (50, 1056, 1106)


@pytest.mark.parametrize("usage", [None, [], "12", {"input_tokens": 0, "output_tokens": 0}, {"input_tokens": "many"}])
async def test_usage_is_counted_in_words_and_images_if_the_back_end_reports_none(
    start_proxy: StartProxy, server: OpenAIServer, usage: Any
) -> None:
    server.answers = [answer(200, {"created": 1, "data": [{"b64_json": ENCODED}], "usage": usage})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        counted = (await generate(proxy))[1]["usage"]
    assert (counted["input_tokens"], counted["output_tokens"], counted["total_tokens"]) == (3, 1, 4)


UNKNOWN = [
    web.Response(status=500, text="oops"),
    web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
    web.Response(status=200, text="<html>hello</html>", content_type="text/html"),
    web.Response(status=200, text='{"data": [{"b64_json": "' + "A" * 5001 + '"}]}', content_type="application/json"),
]


@pytest.mark.parametrize("unclear", range(len(UNKNOWN)))
async def test_an_order_with_an_inconclusive_answer_has_an_unknown_outcome_and_is_not_repeated(
    start_proxy: StartProxy, server: OpenAIServer, unclear: int
) -> None:
    given = UNKNOWN[unclear]
    server.answers = [web.Response(status=given.status, body=given.body, content_type=given.content_type)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, refusal, headers = await generate(proxy)
        assert (status, refusal["error"]["code"], headers["x-should-retry"]) == (502, "outcome_unknown", "false")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("body", [{"data": []}, {"created": 1}, {"data": [{}]}, {"data": [{"b64_json": ""}]}, [], None])
async def test_an_answer_without_an_image_is_a_failure(
    start_proxy: StartProxy, server: OpenAIServer, body: Any
) -> None:
    server.answers = [answer(200, body)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, refusal, _ = await generate(proxy)
        assert (status, refusal["error"]["code"]) == (502, "result_unavailable")
    assert len(server.bodies) == 1


FORMS = [
    {"data": [{"b64_json": ENCODED}]},
    {"images": [{"url": f"data:image/gif;base64,{ENCODED}"}]},
    {"data": [{"url": f"data:image/gif;base64,{ENCODED}", "b64_json": None}]},
    {"data": [{"b64_json": "\n".join(ENCODED[at : at + 20] for at in range(0, len(ENCODED), 20)), "url": None}]},
]


@pytest.mark.parametrize("body", FORMS)
async def test_an_image_is_found_in_each_form_of_answer(
    start_proxy: StartProxy, server: OpenAIServer, body: Any
) -> None:
    server.answers = [answer(200, body)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, found, _ = await generate(proxy)
        assert status == 200, found
        assert base64.b64decode(found["data"][0]["b64_json"]) == GIF


async def test_a_large_image_in_one_line_arrives_whole(start_proxy: StartProxy, server: OpenAIServer) -> None:
    large = image_of("a red fox") + bytes(5_000_000)
    server.answers = [answer(200, {"data": [{"b64_json": base64.b64encode(large).decode()}]})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, found, _ = await generate(proxy)
        assert status == 200, found
        assert base64.b64decode(found["data"][0]["b64_json"]) == large


async def test_an_image_that_arrives_while_the_disk_is_full_waits_for_disk_space(
    server: OpenAIServer, tmp_path: Path
) -> None:
    large = image_of("a red fox") + bytes(3_000_000)
    server.answers = [answer(200, {"data": [{"b64_json": base64.b64encode(large).decode()}]})]
    async with killable(tmp_path, BACKENDS=json.dumps([entry(server)])) as program:
        pid = program.program.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
        generation_id = await program.order(MODEL)

        async def waits() -> bool:
            return "writing image failed" in await asyncio.to_thread(lambda: program.program.log)

        await eventually(waits)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (link,) = (await program.ended(generation_id))["pictures"]
        async with program.client.get(link) as found:
            assert await found.read() == large
    assert len(server.bodies) == 1


@pytest.mark.parametrize("relative", [True, False])
async def test_a_linked_image_is_requested_until_it_arrives_but_ordered_only_once(
    start_proxy: StartProxy, server: OpenAIServer, relative: bool
) -> None:
    server.file_statuses = [500, 500, 200]
    server.answers = [answer(200, {"data": [{"url": "/files/fox.gif" if relative else f"{server.url}/files/fox.gif"}]})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, found, _ = await generate(proxy)
        assert status == 200, found
        assert base64.b64decode(found["data"][0]["b64_json"]) == GIF
    assert server.file_keys == ["Bearer key-of-images"] * 3
    assert len(server.bodies) == 1


async def test_a_key_is_never_sent_to_another_host_even_after_a_redirect(
    start_proxy: StartProxy, server: OpenAIServer
) -> None:
    elsewhere = OpenAIServer()
    runner = await elsewhere.start()
    allow = elsewhere.url.removeprefix("http://")
    server.redirect_to = f"{elsewhere.url}/files/fox.gif?signature=1"
    server.answers = [
        answer(200, {"data": [{"url": f"{elsewhere.url}/files/fox.gif"}]}),
        answer(200, {"data": [{"url": f"{server.url}/redirected"}]}),
    ]
    async with start_proxy(backends=[entry(server)], result_allow=[allow]) as proxy:
        for _ in range(2):
            status, found, _ = await generate(proxy)
            assert status == 200, found
    assert elsewhere.file_keys == [None, None]
    await runner.cleanup()


async def test_a_result_on_a_private_host_is_not_fetched(start_proxy: StartProxy, server: OpenAIServer) -> None:
    elsewhere = OpenAIServer()
    runner = await elsewhere.start()
    server.redirect_to = f"{elsewhere.url}/files/fox.gif"
    server.answers = [
        answer(200, {"data": [{"url": f"{elsewhere.url}/files/fox.gif"}]}),
        answer(200, {"data": [{"url": f"{server.url}/redirected"}]}),
    ]
    async with start_proxy(backends=[entry(server)]) as proxy:
        for _ in range(2):
            status, refusal, _ = await generate(proxy)
            assert (status, refusal["error"]["code"]) == (502, "result_unavailable")
    assert elsewhere.file_keys == []
    await runner.cleanup()


async def test_an_edit_is_sent_unchanged_to_the_next_key(start_proxy: StartProxy, server: OpenAIServer) -> None:
    server.answers = [answer(401, error("invalid_api_key"))]
    keys = [{"key": "one"}, {"key": "two"}]
    form = aiohttp.FormData({"prompt": "at night", "model": MODEL})
    for name in ("image", "mask"):
        form.add_field(name, GIF, filename="upload", content_type="application/octet-stream")
    async with (
        start_proxy(backends=[entry(server, keys=keys)]) as proxy,
        proxy.client.post(f"{proxy.url}/v1/images/edits", data=form) as found,
    ):
        assert found.status == 200, await found.text()
    assert [body["prompt"] for body in server.bodies] == ["at night"] * 2
    assert (server.received.references, server.received.mask) == ([("image/gif", GIF)], ("image/gif", GIF))


async def test_an_order_fails_over_if_the_server_is_unreachable(
    start_proxy: StartProxy, server: OpenAIServer, silent: int
) -> None:
    dead = entry(server, "dead", base_url=f"http://127.0.0.1:{silent}")
    async with start_proxy(backends=[dead, entry(server)]) as proxy:
        status, _, headers = await generate(proxy)
        assert (status, headers["x-sora-proxy-backend"]) == (200, "images")


async def test_models_that_make_no_images_are_not_listed(start_proxy: StartProxy, server: OpenAIServer) -> None:
    backends = [entry(server, models=None, options={"profile": "openai"})]
    async with start_proxy(backends=backends) as proxy:

        async def listed() -> bool:
            models = (await proxy.get("/v1/models"))["data"]
            return [model["id"] for model in models if "alias_of" not in model] == [MODEL]

        await eventually(listed)
        assert (await proxy.get(f"/v1/models/{MODEL}"))["capabilities"]["masks"] is True


# --- Models -----------------------------------------------------------------------------------------------------------


async def listed(proxy: Proxy) -> dict[str, dict[str, Any]]:
    models = (await proxy.get("/v1/models"))["data"]
    return {each["id"]: each["capabilities"] for each in models if "alias_of" not in each}


async def test_a_list_of_models_may_arrive_in_pieces(start_proxy: StartProxy, server: OpenAIServer) -> None:
    server.many_models = 3000
    async with start_proxy(backends=[entry(server, models=None)]) as proxy:

        async def all_listed() -> bool:
            return len(await listed(proxy)) == 3000

        await eventually(all_listed)


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (("llama-3.1-8b", "whisper-1", "stablediffusion"), ["stablediffusion"]),
        (("llama-3.1-8b", "x/z-image-turbo"), ["x/z-image-turbo"]),
        (("dreamshaper", "mine"), ["dreamshaper", "mine"]),
    ],
)
async def test_models_of_a_local_server_are_filtered_by_name_if_possible(
    start_proxy: StartProxy, server: OpenAIServer, names: tuple[str, ...], made: list[str]
) -> None:
    server.names = names
    async with start_proxy(backends=[entry(server, models=None, options={"profile": "localai"})]) as proxy:

        async def all_listed() -> bool:
            return list(await listed(proxy)) == made

        await eventually(all_listed)


async def test_a_model_listed_only_by_the_operator_has_the_capabilities_of_its_family(
    start_proxy: StartProxy, server: OpenAIServer
) -> None:
    models = ["dall-e-3", "gpt-image-2-of-mine", "else"]
    async with start_proxy(backends=[entry(server, models=models, options={"profile": "azure"})]) as proxy:
        found = await listed(proxy)
        assert [found[name]["max_reference_images"] for name in models] == [0, 16, 16]
        assert "1792x1024" in found["dall-e-3"]["sizes"]


@pytest.mark.parametrize(
    ("status", "told"), [(401, "does not accept the key"), (404, "Check its address"), (500, "Check its address")]
)
async def test_operators_see_why_no_models_are_listed(
    start_proxy: StartProxy, server: OpenAIServer, status: int, told: str
) -> None:
    server.models_status = status
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with start_proxy(backends=[entry(server, models=None)]) as proxy:

        async def seen() -> bool:
            async with proxy.client.get(f"{proxy.url}/admin/api/backends/images", headers=headers) as found:
                return told in str((await found.json())["why"])

        await eventually(seen)


# --- A hostile server -------------------------------------------------------------------------------------------------


HOSTILE = {
    "a large header": web.Response(headers={"x-large": "x" * 2**20}, text="{}"),
    "many headers": web.Response(headers=[(f"x-{number}", "x") for number in range(5000)], text="{}"),
    "many cookies": web.Response(headers=[("set-cookie", f"a{number}=b") for number in range(5000)], text="{}"),
    "deep JSON": web.Response(body=b"[" * 100_000 + b"]" * 100_000, content_type="application/json"),
    "many values": web.Response(body=b"[" + b"1," * 400_000 + b"1]", content_type="application/json"),
    "a large text": web.Response(body=b'{"a": "' + b"a b" * 2**20 + b'"}', content_type="application/json"),
    "an event without an end": web.Response(body=b"data: " + b"a b" * 2**20, content_type="text/event-stream"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_answer_affects_only_its_own_order(
    start_proxy: StartProxy, server: OpenAIServer, hostile: str
) -> None:
    given = HOSTILE[hostile]
    server.answers = [web.Response(headers=given.headers, body=given.body)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, refusal, _ = await generate(proxy)
        assert (status, refusal["error"]["code"]) == (502, "outcome_unknown")
        assert (await generate(proxy))[0] == 200
    assert len(server.bodies) == 2


async def test_images_beyond_the_requested_number_are_discarded(
    start_proxy: StartProxy, server: OpenAIServer, tmp_path: Path
) -> None:
    large = base64.b64encode(GIF + bytes(6000)).decode()
    server.answers = [answer(200, {"data": [{"b64_json": large}] * 40})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, found, _ = await generate(proxy)
        assert (status, len(found["data"])) == (200, 1)
        assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == 1


async def test_an_image_that_is_too_large_fails_and_is_not_ordered_again(
    start_proxy: StartProxy, server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.downloads.MAX_IMAGE_BYTES", 100_000)
    server.answers = [answer(200, {"data": [{"b64_json": base64.b64encode(GIF + bytes(200_000)).decode()}]})]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, refusal, _ = await generate(proxy)
        assert (status, refusal["error"]["code"]) == (502, "result_unavailable")
        assert await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir())) == []
    assert len(server.bodies) == 1


# --- Through a proxy --------------------------------------------------------------------------------------------------


async def test_all_calls_go_through_a_socks_proxy_that_resolves_the_server_name(
    start_proxy: StartProxy, server: OpenAIServer, serve: Serve
) -> None:
    port = int(server.url.rpartition(":")[2])
    way = serve(behind_socks(leading_to(port), user="user", password="p@ss:word"))
    named = entry(server, base_url=f"http://images.test:{port}", models=None)
    server.answers = [answer(200, {"data": [{"url": "/files/fox.gif"}]})]
    proxies = f"socks5://user:p%40ss%3Aword@127.0.0.1:{way.port}"
    async with start_proxy(backends=[named], proxies=proxies) as proxy:

        async def made() -> bool:
            return (await generate(proxy))[0] == 200

        await eventually(made)
    assert set(way.destinations) == {("images.test", port)}
    assert server.file_keys == ["Bearer key-of-images"]


async def test_a_broken_proxy_makes_the_egress_cool_down_but_not_the_key(
    start_proxy: StartProxy, server: OpenAIServer, silent: int
) -> None:
    for scheme in ("http", "socks5"):
        broken = f"{scheme}://127.0.0.1:{silent}"
        async with start_proxy(backends=[entry(server)], proxies=f"{broken},direct") as proxy:
            assert (await generate(proxy))[0] == 200
            key = state_of(proxy)
            assert (key.rejected, key.cooldown.failures, key.egresses[0].cooldown.failures) == (None, 0, 1)
    assert len(server.bodies) == 2


# --- UPSTREAM=openai --------------------------------------------------------------------------------------------------


async def test_a_key_and_an_address_are_enough_to_configure_openai(
    start_proxy: StartProxy, server: OpenAIServer
) -> None:
    settings = {"upstream": "openai", "openai_api_key": "sk-of-openai", "openai_base_url": server.url}
    for _ in range(2):
        async with start_proxy(**settings, openai_profile="openai") as proxy:

            async def listed() -> bool:
                return bool((await proxy.get("/v1/models"))["data"])

            await eventually(listed)
            for model in (MODEL, "dall-e-3"):
                async with proxy.chat(model=model) as answer:
                    assert (answer.status, answer.headers["x-sora-proxy-backend"]) == (200, "openai")
    assert server.keys == ["Bearer sk-of-openai"] * 4


async def test_a_local_server_needs_no_key(start_proxy: StartProxy, server: OpenAIServer) -> None:
    async with start_proxy(upstream="openai", openai_base_url=server.url) as proxy:

        async def made() -> bool:
            return (await generate(proxy))[0] == 200

        await eventually(made)
    assert server.keys == [None]


async def test_an_openai_key_alone_does_not_replace_the_simulator(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_proxy(openai_api_key="sk-of-openai") as proxy:
        assert (await proxy.get("/health/ready"))["backend"] == "simulator"
    assert "OPENAI_API_KEY ignored" in caplog.text
    assert "sk-of-openai" not in caplog.text


A_BACKEND = {"name": "a", "kind": "openai_images", "base_url": "http://localhost:1"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"openai_profile": "other"}, "'profile' must be one of generic, openai"),
        *(
            ({"backends": [A_BACKEND | {"options": {name: value}}]}, told)
            for name, value, told in (
                ("speed", "1", "'speed' is not an option of this kind of back end"),
                ("profile", ["museq"], "'profile' must be a string"),
                ("query", "a b\r\nX: y", "'query' must be a string"),
                ("organization", 5, "'organization' must be a string"),
            )
        ),
    ],
)
async def test_an_unknown_profile_or_option_makes_startup_fail(
    tmp_path: Any, settings: dict[str, Any], told: str
) -> None:
    upstream = {} if "backends" in settings else {"upstream": "openai", "openai_base_url": "http://localhost:1/v1"}
    with pytest.raises(ConfigurationError) as caught:
        await asyncio.to_thread(app_for, tmp_path, **upstream, **settings)
    assert told in caught.value.faults[0]


async def test_a_back_end_that_is_this_server_itself_is_detected(start_proxy: StartProxy, server: OpenAIServer) -> None:
    async with start_proxy(backends=[entry(server, keys=[{"key": CLIENT_KEY}])]) as proxy:
        await point_at(proxy, proxy.url)
        status, refusal, _ = await generate(proxy)
        assert (status, refusal["error"]["code"]) == (400, "loop_detected")
        assert len((await proxy.get("/v1/generations"))["data"]) == 1


async def test_a_loop_of_several_servers_is_detected(
    start_proxy: StartProxy, server: OpenAIServer, tmp_path: Path
) -> None:
    entries = [entry(server, keys=[{"key": CLIENT_KEY}])]
    async with (
        start_proxy(backends=entries, data_dir=tmp_path / "a") as a,
        start_proxy(backends=entries, data_dir=tmp_path / "b") as b,
        start_proxy(backends=entries, data_dir=tmp_path / "c") as c,
    ):
        for one, other in ((a, b), (b, c), (c, a)):
            await point_at(one, other.url)
        status, refusal, _ = await generate(a)
        assert (status, refusal["error"]["code"]) == (400, "loop_detected")
        for each in (a, b, c):
            assert len((await each.get("/v1/generations"))["data"]) == 1


async def test_an_order_that_came_through_too_many_servers_is_refused(
    start_proxy: StartProxy, server: OpenAIServer
) -> None:
    marks = ",".join(f"{number:016x}" for number in range(30))
    body = {"model": MODEL, "prompt": "a fox"}
    async with start_proxy(backends=[entry(server)]) as proxy:
        for sent, expected in ((marks, 400), (marks[:50], 200), ("no mark,\u00e9,,", 200)):
            headers = {"x-sora-proxy-instance": sent}
            async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body, headers=headers) as found:
                assert found.status == expected, sent


async def point_at(proxy: Proxy, to: str) -> None:
    """Change the address of the back end of a server."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    url = f"{proxy.url}/admin/api/backends/images"
    async with proxy.client.patch(url, json={"base_url": f"{to}/v1"}, headers=headers) as answer:
        assert answer.status == 200
