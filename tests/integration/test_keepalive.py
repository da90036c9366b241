"""A slow answer without streaming has the real status if it is known in time, or else status 200 and leading spaces."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sora_proxy.api import MIDDLEWARES
from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.keepalive import LongAnswer
from sora_proxy.api.http.middleware import OPEN_HANDLERS, OPERATOR_HANDLERS, add_headers
from tests.conftest import HOUR, Simulator, StartProxy, StartSimulator, fixed_settings, in_front_of

QUICK = {"keepalive_after": 0.1, "heartbeat_interval": 0.05}


async def test_a_slow_answer_has_status_200_and_spaces_before_the_completion(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_proxy(**in_front_of(simulator), **QUICK) as proxy,
        proxy.chat() as answer,
    ):
        assert await answer.content.readexactly(5) == b" " * 5
        await simulator.let_pass()
        raw = await answer.read()
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert answer.headers["x-generation-id"].startswith("chatcmpl-")
        assert answer.headers["x-request-id"]

    body = json.loads(raw)
    assert body["id"] == answer.headers["x-generation-id"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "error" not in body


async def test_a_quick_answer_has_a_content_length_and_no_spaces(start_proxy: StartProxy, simulator: Simulator) -> None:
    async with start_proxy(**in_front_of(simulator)) as proxy, proxy.chat() as answer:
        raw = await answer.read()
    assert raw.startswith(b"{")
    assert int(answer.headers["content-length"]) == len(raw)


async def test_a_quick_failure_is_answered_with_its_error_status(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("moderation", times=None)
    async with start_proxy(**in_front_of(simulator)) as proxy, proxy.chat() as answer:
        assert answer.status == 400
        assert answer.headers["x-should-retry"] == "false"
        assert (await answer.json())["error"]["code"] == "content_policy_violation"


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [("moderation", "content_policy_violation", "content_filter"), ("fail", "generation_failed", "stop")],
)
async def test_a_late_failure_is_a_valid_completion_with_a_refusal_and_an_error(
    start_proxy: StartProxy, simulator: Simulator, fault: str, code: str, reason: str
) -> None:
    await simulator.order_fault(fault, times=None)
    settings = in_front_of(simulator) | {"keepalive_after": 0.0, "heartbeat_interval": 0.05}
    async with start_proxy(**settings) as proxy, proxy.chat() as answer:
        assert answer.status == 200
        raw = await answer.read()
    body = json.loads(raw)
    (choice,) = body["choices"]
    assert raw.startswith(b" ")
    assert choice["finish_reason"] == reason
    assert choice["message"]["refusal"] == choice["message"]["content"] == body["error"]["message"]
    assert body["error"]["code"] == code
    assert min(body["usage"].values()) > 0


@pytest.mark.parametrize("header", ["x-stainless-read-timeout", "x-stainless-timeout"])
async def test_a_client_with_a_short_timeout_gets_the_id_and_its_order_continues(
    start_proxy: StartProxy, start_simulator: StartSimulator, header: str
) -> None:
    async with start_simulator(seconds=HOUR) as simulator, start_proxy(**in_front_of(simulator)) as proxy:
        async with proxy.chat(headers={header: "0.2"}) as answer:
            assert answer.status == 504
            assert answer.headers["x-should-retry"] == "false"
            error = (await answer.json())["error"]
        assert error["code"] == "generation_timeout"
        assert answer.headers["x-generation-id"] in error["message"]
        await simulator.let_pass()
        ended = await proxy.ended(answer.headers["x-generation-id"])
    assert ended["choices"][0]["finish_reason"] == "stop"


async def test_a_timeout_after_the_first_spaces_is_reported_in_the_body(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("never_finish", times=None)
    async with (
        start_proxy(**in_front_of(simulator), **QUICK) as proxy,
        proxy.chat(headers={"x-stainless-read-timeout": "0.6"}) as answer,
    ):
        assert answer.status == 200
        body = await answer.json()
    assert body["error"]["code"] == "generation_timeout"
    assert body["id"] in body["choices"][0]["message"]["refusal"]


@pytest.mark.parametrize("said", ["", "never", "-1", "1e3", "nan", "9" * 400, "٣"])
async def test_a_timeout_that_is_not_a_number_is_ignored(
    start_proxy: StartProxy, simulator: Simulator, said: str
) -> None:
    async with (
        start_proxy(**in_front_of(simulator)) as proxy,
        proxy.chat(headers={"x-stainless-read-timeout": said}) as answer,
    ):
        assert answer.status == 200


async def test_an_error_after_the_status_was_sent_breaks_the_connection(
    session: aiohttp.ClientSession,
) -> None:
    async def breaks(request: web.Request) -> Any:
        answer = LongAnswer(request)
        await answer.write(b" ")
        raise ZeroDivisionError

    app = web.Application(middlewares=MIDDLEWARES)
    app[SETTINGS] = await asyncio.to_thread(fixed_settings)
    app.add_routes([web.get("/", breaks)])
    app[OPEN_HANDLERS], app[OPERATOR_HANDLERS] = frozenset({breaks}), frozenset()
    app.on_response_prepare.append(add_headers)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
    finally:
        await runner.cleanup()
