"""Google's Gemini API. Each test sets the answers of the server."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sora_proxy.orders.backend import Backend
from tests.conftest import StartProxy
from tests.contract.relatives import GeminiServer, by_gemini, inline_part
from tests.contract.toy_server import image_of
from tests.eventually import eventually
from tests.integration.test_openai_images import answer, backend_of, entry, generate, listed, state_of
from tests.sora_server import GIF

MODEL = GeminiServer.model
OTHER = "gemini-2.5-flash-image"
ENCODED = base64.b64encode(GIF).decode()
FOX = image_of("a red fox")


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    server = GeminiServer()
    runner = await server.start()
    yield server
    await runner.cleanup()


def gemini_entry(server: GeminiServer, **fields: Any) -> dict[str, Any]:
    return entry(server, models=[MODEL, OTHER], options={"profile": "gemini"}, **fields)


async def made(proxy: Any, **fields: Any) -> bytes:
    """Place an order; returns its first image."""
    status, found, _ = await generate(proxy, **{"model": MODEL} | fields)
    assert status == 200, found
    return base64.b64decode(found["data"][0]["b64_json"])


async def refused(proxy: Any) -> tuple[int, str, str]:
    status, found, _ = await generate(proxy, model=MODEL)
    return status, found["error"]["code"], found["error"]["message"]


async def test_the_image_is_found_among_the_parts_and_the_key_is_in_googles_header(
    start_proxy: StartProxy, server: GeminiServer
) -> None:
    server.answers = [answer(200, by_gemini([{"text": "Here it is."}, {"inlineData": None}, inline_part(ENCODED)]))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert await made(proxy) == GIF
    assert server.keys == ["key-of-images"]
    assert "candidateCount" not in server.bodies[0]["generationConfig"]


async def test_sketches_and_signatures_before_the_image_are_ignored_and_leave_no_file(
    start_proxy: StartProxy, server: GeminiServer, tmp_path: Path
) -> None:
    signature = {"thoughtSignature": base64.b64encode(bytes(9000)).decode()}
    sketches = [
        inline_part(base64.b64encode(image_of(colour) + bytes(9000)).decode(), thought=True)
        for colour in ("blue", "grey")
    ]
    large = FOX + bytes(5_000_000)
    final = signature | inline_part(base64.b64encode(large).decode())
    server.answers = [answer(200, by_gemini([*sketches, {"text": "Hm.", "thought": True}, final]))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert await made(proxy) == large
        assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == 1


async def test_only_the_first_of_several_images_in_an_answer_is_stored(
    start_proxy: StartProxy, server: GeminiServer, tmp_path: Path
) -> None:
    images = [FOX + bytes(6000), *[GIF + bytes(6000)] * 20]
    parts = [inline_part(base64.b64encode(image).decode()) for image in images]
    server.answers = [answer(200, by_gemini(parts))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert await made(proxy) == images[0]
        assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == 1


async def test_an_order_for_several_images_adds_up_the_usage_of_its_calls(
    start_proxy: StartProxy, server: GeminiServer
) -> None:
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        status, found, _ = await generate(proxy, model=MODEL, n=3)
        assert (status, len(found["data"])) == (200, 3)
        counts = {"input_tokens": 21, "output_tokens": 3870, "total_tokens": 3891}
        assert {name: found["usage"][name] for name in counts} == counts
        assert await proxy.images_today() == 3
    assert server.registered == 3


# --- Without an image -------------------------------------------------------------------------------------------------


BLOCKED = ["SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION"]
BLOCKED += ["IMAGE_RECITATION", "SPII"]


@pytest.mark.parametrize(
    "body",
    [
        *({"candidates": [{"finishReason": reason, "index": 0}]} for reason in BLOCKED),
        by_gemini([{"text": "I can't."}], "IMAGE_SAFETY"),
        {"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": {"promptTokenCount": 7}},
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "candidates": []},
    ],
)
async def test_a_violation_of_the_content_policy_does_not_affect_the_key(
    start_proxy: StartProxy, server: GeminiServer, body: Any
) -> None:
    server.answers = [answer(200, body)]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert (await refused(proxy))[:2] == (400, "content_policy_violation")
        assert await made(proxy) == FOX
    assert len(server.bodies) == 2


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "MAX_TOKENS", "OTHER", "LANGUAGE"])
async def test_the_error_about_a_missing_image_states_the_finish_reason(
    start_proxy: StartProxy, server: GeminiServer, reason: str
) -> None:
    server.answers = [answer(200, by_gemini([], reason))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        status, code, message = await refused(proxy)
        assert (status, code) == (502, "generation_failed")
        assert f"Its reason: {reason}." in message
        assert await proxy.images_today() == 1
        assert await made(proxy) == FOX
    assert len(server.bodies) == 2


async def test_text_instead_of_an_image_is_shown_in_the_error(
    start_proxy: StartProxy, server: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    thought = {"text": "a secret thought", "thought": True}
    server.answers = [answer(200, by_gemini([thought, {"text": "Which fox\ndo you mean?"}]))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        status, code, message = await refused(proxy)
        assert (status, code) == (400, "order_refused")
        assert message.endswith("words instead of an image: Which fox do you mean?")
        assert await proxy.images_today() == 1
    assert "Which fox" not in caplog.text


# --- Errors -----------------------------------------------------------------------------------------------------------


def error(code: int, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": "a text of the back end", "status": status, "details": list(details)}}


def reason(word: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def delay(text: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": text}


FAULTS = [
    (400, error(400, "INVALID_ARGUMENT"), 400, "order_refused"),
    (404, error(404, "NOT_FOUND"), 400, "model_unavailable"),
    (500, error(500, "INTERNAL"), 502, "outcome_unknown"),
    (504, error(504, "DEADLINE_EXCEEDED"), 502, "outcome_unknown"),
    (503, {"error": "UNAVAILABLE"}, 502, "outcome_unknown"),
    (200, "oops", 502, "result_unavailable"),
]


@pytest.mark.parametrize(("status", "body", "expected", "code"), FAULTS)
async def test_an_error_of_the_order_does_not_affect_the_key(
    start_proxy: StartProxy, server: GeminiServer, status: int, body: Any, expected: int, code: str
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        found = await refused(proxy)
        assert found[:2] == (expected, code)
        assert "text of the back end" not in found[2]
        assert await made(proxy) == FOX
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error(400, "INVALID_ARGUMENT", reason("API_KEY_INVALID"))),
        (401, error(401, "UNAUTHENTICATED")),
        (403, error(403, "PERMISSION_DENIED", reason("SERVICE_DISABLED"))),
    ],
)
async def test_another_key_makes_the_image_after_a_key_is_rejected(
    start_proxy: StartProxy, server: GeminiServer, status: int, body: Any
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[gemini_entry(server) | {"keys": [{"key": "one"}, {"key": "two"}]}]) as proxy:
        assert await made(proxy) == FOX
    assert sorted(map(str, server.keys)) == ["one", "two"]


async def test_an_unsupported_country_makes_the_egress_cool_down_but_not_the_key(
    start_proxy: StartProxy, server: GeminiServer, silent: int
) -> None:
    server.answers = [answer(400, error(400, "FAILED_PRECONDITION"))]
    proxies = f"direct,http://127.0.0.1:{silent}"
    async with start_proxy(backends=[gemini_entry(server)], proxies=proxies) as proxy:
        async with proxy.chat(model=MODEL, background=True) as placed:
            assert placed.status == 200

        async def cooled_down() -> bool:
            return bool(state_of(proxy).egresses[0].cooldown.failures)

        await eventually(cooled_down)
        assert (state_of(proxy).rejected, state_of(proxy).cooldown.failures) == (None, 0)


async def test_an_order_for_an_overloaded_model_is_sent_again(start_proxy: StartProxy, server: GeminiServer) -> None:
    """Google states that calls with this error are not charged."""
    server.answers = [answer(503, error(503, "UNAVAILABLE"))]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert await made(proxy) == FOX
        assert await proxy.images_today() == 1
    assert (len(server.bodies), server.registered) == (2, 1)


def cooldowns_of(backend: Backend) -> dict[str, float]:
    """The number of seconds for which the key still takes no orders, by model."""
    (key,) = backend.keys.keys
    return {family: rest.until - backend.keys.now for family, rest in key.family_cooldowns(backend.keys.now).items()}


@pytest.mark.parametrize(
    ("status", "body", "seconds"),
    [
        (429, error(429, "RESOURCE_EXHAUSTED", {"@type": "quota"}, delay("33.3s")), 33.3),
        (429, error(429, "RESOURCE_EXHAUSTED", delay("90s")), 90),
        (429, error(429, "RESOURCE_EXHAUSTED", reason("MODEL_CAPACITY_EXHAUSTED"), delay("33.3s")), 33.3),
        (503, error(503, "UNAVAILABLE", reason("MODEL_CAPACITY_EXHAUSTED"), delay("33.3s")), 33.3),
    ],
)
async def test_a_rate_limit_applies_to_one_model_for_the_stated_time(
    start_proxy: StartProxy, server: GeminiServer, status: int, body: Any, seconds: float
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        async with proxy.chat(model=MODEL, background=True) as placed:
            assert placed.status == 200

        async def resting() -> bool:
            return bool(cooldowns_of(backend_of(proxy, "images")))

        await eventually(resting)
        assert cooldowns_of(backend_of(proxy, "images")) == {MODEL: pytest.approx(seconds, abs=1.5)}
        assert await made(proxy, model=OTHER) == FOX
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    "details",
    [[delay(text)] for text in ("", "soon", "-1s", 5, None, {"seconds": 3})] + [[5], "5", {"retryDelay": "9s"}],
)
async def test_a_rate_limit_without_a_time_causes_a_short_cooldown(
    start_proxy: StartProxy, server: GeminiServer, details: Any
) -> None:
    body = error(429, "RESOURCE_EXHAUSTED")
    body["error"]["details"] = details
    server.answers = [answer(429, body)]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert await made(proxy) == FOX
    assert len(server.bodies) == 2


HOSTILE = {
    "a megabyte of words": b'{"candidates": [{"content": {"parts": [{"text": "' + b"a b" * 2**20 + b'"}]}}]}',
    "many parts": b'{"candidates": [{"content": {"parts": [' + b"{}," * 60_000 + b"{}]}}]}",
    "deep JSON": b"[" * 100_000 + b"]" * 100_000,
    "damaged base64": b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "' + b"A" * 5001 + b'"}}]}}]}',
    "an answer that breaks off": b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "' + b"AAAA" * 9000,
    "HTML": b"<html>busy</html>",
}


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_answer_affects_only_its_own_order(
    start_proxy: StartProxy, server: GeminiServer, hostile: str, tmp_path: Path
) -> None:
    server.answers = [web.Response(body=HOSTILE[hostile], content_type="application/json")]
    async with start_proxy(backends=[gemini_entry(server)]) as proxy:
        assert (await refused(proxy))[:2] == (502, "outcome_unknown")
        assert await made(proxy) == FOX
        assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == 1
    assert len(server.bodies) == 2


# --- Models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"query": "alt=json"}])
async def test_only_models_that_make_images_are_listed(
    start_proxy: StartProxy, server: GeminiServer, more: dict[str, str]
) -> None:
    options = {"profile": "gemini"} | more
    async with start_proxy(backends=[gemini_entry(server) | {"models": None, "options": options}]) as proxy:

        async def all_listed() -> bool:
            return list(await listed(proxy)) == [MODEL]

        await eventually(all_listed)


async def test_operators_see_why_no_models_are_listed(start_proxy: StartProxy, server: GeminiServer) -> None:
    server.models_status = 401
    async with start_proxy(backends=[gemini_entry(server) | {"models": None}]) as proxy:

        async def seen() -> bool:
            return "does not accept the key" in str(await proxy.admin_get("/admin/api/backends/images"))

        await eventually(seen)
