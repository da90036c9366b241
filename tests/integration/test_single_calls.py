"""An order for several images at a back end that makes one image per call: each call is counted and ends separately."""

import asyncio
import base64
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import ADMIN_KEY, Proxy, StartProxy
from tests.contract.conftest import Contract, killable
from tests.contract.openai_server import MODEL, OpenAIServer
from tests.contract.script import Step
from tests.eventually import eventually
from tests.sora_server import GIF

ENCODED = base64.b64encode(GIF).decode()
REFUSAL = {"error": {"code": "moderation_blocked", "type": "image_generation_user_error", "message": "no"}}


class Counting(OpenAIServer):
    """A server that counts and limits simultaneous calls. The first `answers_at_once` calls are answered at once, and
    all later calls once `go_on` is set."""

    options = OpenAIServer.options | {"profile": "zhipu"}

    def __init__(self, answers_at_once: int = 100, most: int = 100) -> None:
        super().__init__()
        self._most = most
        self.go_on = asyncio.Event()
        self.most_at_once = self.begun = 0
        self._now = 0
        self._answers_at_once = answers_at_once

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            self.begun += 1
            if self._now > self._most:
                return answer(429, {"error": {"code": "rate_limit_exceeded"}})
            if self.begun > self._answers_at_once:
                await self.go_on.wait()
            return await super()._generate(request)
        finally:
            self._now -= 1


@pytest.fixture
async def server() -> AsyncIterator[Counting]:
    server = Counting()
    runner = await server.start()
    yield server
    server.go_on.set()
    await runner.cleanup()


def entry(server: OpenAIServer, profile: str = "zhipu", keys: Any = ("one",)) -> dict[str, Any]:
    keys = [key if isinstance(key, dict) else {"key": key, "name": key} for key in keys]
    options = {"options": {"profile": profile}}
    return {
        "name": "images",
        "kind": "openai_images",
        "base_url": server.url,
        "keys": keys,
        "models": [MODEL],
    } | options


def answer(status: int, body: Any, **headers: str) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


def image(**usage: int) -> web.Response:
    return answer(200, {"created": 1, "data": [{"b64_json": ENCODED}], "usage": usage})


async def generate(proxy: Proxy, n: int = 3, **fields: Any) -> tuple[int, Any]:
    body = {"model": MODEL, "prompt": "a red fox", "n": n} | fields
    async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as found:
        return found.status, await found.json()


async def test_each_image_of_an_order_is_made_by_a_separate_call(start_proxy: StartProxy, server: Counting) -> None:
    server.answers = [image(input_tokens=2, output_tokens=10) for _ in range(3)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, body = await generate(proxy)
        assert (status, len(body["data"])) == (200, 3)
        assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (6, 30)
        assert "errors" not in body
        assert await proxy.images_today() == 3
        (key,) = (await proxy.admin_get("/admin/api/usage"))["data"]
        assert (key["sent"], key["accepted"], key["completed"], key["pictures"]) == (1, 1, 1, 3)
    assert len(server.bodies) == 3
    assert not any("n" in body for body in server.bodies)


async def test_each_streamed_call_requests_only_one_image(start_proxy: StartProxy, server: Counting) -> None:
    order = {"model": MODEL, "prompt": "a red fox", "n": 2, "stream": True, "partial_images": 2}
    async with start_proxy(backends=[entry(server, "openai")]) as proxy:
        await server.show(GIF)
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=order) as found:
            seen = b""
            while seen.count(b"event: image_generation.partial_image") < 2:
                seen += await found.content.readany()
            await server.show(None)
            seen += await found.content.read()
        assert seen.count(b"event: image_generation.completed") == 2
    assert [(body["stream"], body.get("n", 1)) for body in server.bodies] == [(True, 1), (True, 1)]
    assert server.registered == 2


async def test_a_refused_image_is_reported_and_the_other_images_are_delivered(
    start_proxy: StartProxy, server: Counting
) -> None:
    server.answers = [answer(400, REFUSAL), image(), image()]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, body = await generate(proxy)
        assert (status, len(body["data"])) == (200, 2)
        (missing,) = body["errors"]
        assert missing["code"] == "content_policy_violation"
        (listed,) = (await proxy.get("/v1/generations"))["data"]
        assert (listed["error"], listed["errors"]) == (None, [missing])
        assert await proxy.images_today() == 2
    assert len(server.bodies) == 3


@pytest.mark.parametrize("step", [Step.arrived, Step.registered])
async def test_an_image_of_unknown_outcome_is_reported_and_never_ordered_again(
    start_proxy: StartProxy, server: Counting, step: Step
) -> None:
    server.script.cut(step)
    async with start_proxy(backends=[entry(server)]) as proxy:
        async with proxy.chat(model=MODEL, n=3) as found:
            text = (await found.json())["choices"][0]["message"]["content"]
        assert (text.count("!["), text.count("could not be made. It is not known")) == (2, 1)
        assert await proxy.images_today() == 3
    assert len(server.bodies) == 3


async def test_with_requeue_only_the_image_of_unknown_outcome_is_ordered_again(
    start_proxy: StartProxy, server: Counting
) -> None:
    server.script.cut(Step.registered)
    async with start_proxy(backends=[entry(server)], on_unknown="requeue") as proxy:
        assert len((await generate(proxy))[1]["data"]) == 3
    assert (len(server.bodies), server.registered) == (4, 4)


async def test_rate_limited_calls_are_made_with_another_key(start_proxy: StartProxy, server: Counting) -> None:
    server.answers = [
        image(),
        answer(429, {"error": {"code": "rate_limit_exceeded"}}, **{"retry-after": "900"}),
        image(),
    ]
    async with start_proxy(backends=[entry(server, keys=("one", "two"))]) as proxy:
        status, body = await generate(proxy)
        assert (status, len(body["data"]), body.get("errors")) == (200, 3, None)
        assert await proxy.images_today() == 3
    assert (len(server.bodies), len(set(server.keys))) == (4, 2)


async def test_a_refusal_without_a_waiting_time_reveals_the_concurrency_limit_of_a_key(
    start_proxy: StartProxy,
) -> None:
    server = Counting(answers_at_once=0, most=3)
    runner = await server.start()

    async def all_begun() -> bool:
        return server.begun == 6

    async with start_proxy(backends=[entry(server)]) as proxy:
        orders = [asyncio.ensure_future(generate(proxy, n=1)) for _ in range(6)]
        await eventually(all_begun)
        server.go_on.set()
        assert [len(body["data"]) for _, body in await asyncio.gather(*orders)] == [1] * 6
        (key,) = (await proxy.admin_get("/admin/api/keys"))["data"]
        assert (key["limit"], key["resting_models"]) == (3, {})
    assert (server.begun, server.registered) == (9, 6)
    await runner.cleanup()


async def test_images_that_no_usable_key_can_make_are_reported_as_missing(
    start_proxy: StartProxy, server: Counting
) -> None:
    server.answers = [image(), answer(401, {"error": {"code": "invalid_api_key"}}), image()]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, body = await generate(proxy)
        assert (status, len(body["data"])) == (200, 2)
        assert [missing["code"] for missing in body["errors"]] == ["no_upstream_key"]
        assert await proxy.images_today() == 2


@pytest.mark.parametrize(
    ("answers", "code", "counted"),
    [
        ([answer(400, REFUSAL)] * 2, "content_policy_violation", 0),
        ([answer(200, {"data": []})] * 2, "result_unavailable", 2),
        ([answer(400, REFUSAL), answer(200, {"data": []})], None, 1),
    ],
)
async def test_an_order_without_any_image_fails(
    start_proxy: StartProxy, server: Counting, answers: list[web.Response], code: str | None, counted: int
) -> None:
    server.answers = [answer(each.status, json.loads(each.text or "")) for each in answers]
    async with start_proxy(backends=[entry(server)]) as proxy:
        status, body = await generate(proxy, n=2)
        assert status >= 400
        assert code in (None, body["error"]["code"])
        assert await proxy.images_today() == counted
    assert len(server.bodies) == 2


async def test_a_key_makes_as_many_calls_at_once_as_its_limit_allows(start_proxy: StartProxy) -> None:
    server = Counting(answers_at_once=0)
    runner = await server.start()

    async def two_begun() -> bool:
        return server.begun == 2

    async with start_proxy(backends=[entry(server, keys=({"key": "one", "max_concurrent": 2},))]) as proxy:
        orders = [asyncio.ensure_future(generate(proxy, n=n)) for n in (5, 4, 1)]
        await eventually(two_begun)
        server.go_on.set()
        assert [len(body["data"]) for _, body in await asyncio.gather(*orders)] == [5, 4, 1]
    assert (server.most_at_once, len(server.bodies)) == (2, 10)
    await runner.cleanup()


async def test_a_key_makes_no_more_calls_in_a_minute_than_its_rate_allows(
    start_proxy: StartProxy, server: Counting
) -> None:
    keys = ({"key": "one", "max_rpm": 2}, {"key": "two", "max_rpm": 2})
    async with start_proxy(backends=[entry(server, keys=keys)]) as proxy:
        assert len((await generate(proxy, n=4))[1]["data"]) == 4
        async with proxy.chat(model=MODEL, background=True) as placed:
            assert placed.status == 200
        (waiting,) = (await proxy.admin_get("/admin/api/queue"))["waiting"]
        assert waiting["orders"] == 1
    assert (len(server.bodies), sorted(map(server.keys.count, set(server.keys)))) == (4, [2, 2])


async def test_a_cancelled_order_sends_no_further_calls(start_proxy: StartProxy) -> None:
    server = Counting(answers_at_once=1)
    runner = await server.start()
    async with start_proxy(backends=[entry(server, keys=({"key": "one", "max_concurrent": 1},))]) as proxy:
        async with proxy.chat(model=MODEL, n=4, background=True) as placed:
            generation_id = placed.headers["x-generation-id"]

        async def second() -> bool:
            return server.begun == 2

        await eventually(second)
        async with proxy.client.post(f"{proxy.url}/v1/generation/{generation_id}/cancel") as cancelled:
            assert (await cancelled.json())["status"] == "cancelled"
        server.go_on.set()

        async def free() -> bool:
            (key,) = (await proxy.admin_get("/admin/api/keys"))["data"]
            return not key["tasks"]

        await eventually(free)
    assert len(server.bodies) == 2
    await runner.cleanup()


@pytest.mark.parametrize(("max_concurrent", "begun", "made"), [(None, 4, 2), (1, 3, 3)])
async def test_images_that_arrived_before_a_kill_are_delivered_without_the_other_images(
    tmp_path: Path, max_concurrent: int | None, begun: int, made: int
) -> None:
    server = Counting(answers_at_once=2)
    runner = await server.start()
    contract = Contract("openai_images", server)
    place = contract.backends[0] | {"keys": [{"key": "one", "max_concurrent": max_concurrent}]}
    settings = {"ADMIN_KEY": ADMIN_KEY, "BACKENDS": json.dumps([place])}

    def images_on_disk() -> int:
        with contextlib.closing(sqlite3.connect(tmp_path / "data/sora_proxy.db")) as connection:
            ((calls,),) = connection.execute("SELECT calls FROM generations").fetchall()
        return sum(call["asset"] is not None for call in json.loads(calls))

    async def two_arrived() -> bool:
        return server.begun == begun and await asyncio.to_thread(images_on_disk) == 2

    async with killable(tmp_path, **settings) as program:
        generation_id = await program.order(MODEL, n=4)
        await eventually(two_arrived)
        await program.kill()
    server.go_on.set()
    async with killable(tmp_path, **settings) as program:
        ended = await program.ended(generation_id)
        assert (ended["status"], len(ended["pictures"])) == ("completed", made)
        async with program.client.get(f"{program.program.url}/v1/chat/completions/{generation_id}") as found:
            text = (await found.json())["choices"][0]["message"]["content"]
        assert (text.count("!["), text.count("It is not known whether the back end accepted")) == (made, 4 - made)
        assert await program.images_today() == 4
    assert server.begun == 4
    await runner.cleanup()


async def test_the_calls_of_an_order_use_consecutive_seeds(start_proxy: StartProxy, server: Counting) -> None:
    async with start_proxy(backends=[entry(server, "seedream")]) as proxy:
        assert len((await generate(proxy, seed=7))[1]["data"]) == 3
        assert len((await generate(proxy, n=2, seed=-1))[1]["data"]) == 2
        assert len((await generate(proxy, n=1, seed=7))[1]["data"]) == 1
    assert sorted(body["seed"] for body in server.bodies) == [-1, -1, 7, 7, 8, 9]


@pytest.mark.parametrize("n", [1, 3])
async def test_an_image_of_unknown_outcome_and_its_repeat_both_count_against_the_cap(
    start_proxy: StartProxy, server: Counting, n: int
) -> None:
    server.script.cut(Step.registered, times=2)
    async with start_proxy(backends=[entry(server)], on_unknown="requeue") as proxy:
        assert len((await generate(proxy, n=n))[1]["data"]) == n
        assert await proxy.images_today() == n + 2
    assert server.registered == n + 2


async def test_a_drained_back_end_finishes_orders_that_have_begun(start_proxy: StartProxy) -> None:
    server = Counting(answers_at_once=1)
    runner = await server.start()
    other = Counting()
    other_runner = await other.start()
    places = [entry(server, keys=({"key": "one", "max_concurrent": 1},)), entry(other) | {"name": "other"}]

    async def second() -> bool:
        return server.begun == 2

    async with start_proxy(backends=places) as proxy:
        order = asyncio.ensure_future(generate(proxy, n=4))
        await eventually(second)
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        url = f"{proxy.url}/admin/api/backends/images"
        async with proxy.client.patch(url, json={"enabled": False}, headers=headers) as drained:
            assert drained.status == 200
        server.go_on.set()
        status, body = await order
        assert (status, len(body["data"]), body.get("errors")) == (200, 4, None)
        assert len((await generate(proxy, n=2))[1]["data"]) == 2
    assert (server.begun, other.begun) == (4, 2)
    for each in (runner, other_runner):
        await each.cleanup()


async def test_a_limit_of_one_simultaneous_call_is_learned_from_the_first_refusals(start_proxy: StartProxy) -> None:
    server = Counting(answers_at_once=0, most=1)
    runner = await server.start()

    async def all_begun() -> bool:
        return server.begun == 10

    async with start_proxy(backends=[entry(server)]) as proxy:
        order = asyncio.ensure_future(generate(proxy, n=10))
        await eventually(all_begun)
        server.go_on.set()
        assert len((await order)[1]["data"]) == 10
    assert server.begun <= 10 + 9
    await runner.cleanup()


async def test_refusals_of_all_simultaneous_calls_count_as_a_rate_limit(
    start_proxy: StartProxy, server: Counting
) -> None:
    server.answers = [answer(429, {"error": {"code": "rate_limit_exceeded"}}) for _ in range(4)]
    async with start_proxy(backends=[entry(server)]) as proxy:
        assert len((await generate(proxy, n=4))[1]["data"]) == 4
        (key,) = (await proxy.admin_get("/admin/api/keys"))["data"]
        assert key["limit"] is None
    assert len(server.bodies) == 8
