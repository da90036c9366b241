"""The simulator of Sora's web protocol, over real sockets."""

import argparse
import asyncio
import contextlib
import gzip
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import cloudscraper
import orjson
import pytest
import requests
from PIL import Image

from sora_proxy.simulator import Clocks, SimulatorOptions, serve_simulator
from sora_proxy.simulator.command import add_arguments, run
from sora_proxy.simulator.fault_kinds import KINDS
from tests.eventually import PATIENCE
from tests.simulated_images import Answer

INSTANT = {"seconds": 0.0, "queue_seconds": 0.0}
RED = (220, 20, 30)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    session: aiohttp.ClientSession
    url: str
    clock: Clock

    async def call(self, method: str, path: str, token: str | None = "k", **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, headers=headers, **more) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, names, await response.read())

    async def submit(self, prompt: str = "a boat", token: str = "k", **change: Any) -> Answer:
        order = {"type": "image_gen", "operation": "simple_compose", "prompt": prompt, "n_variants": 1, "n_frames": 1}
        body = {**order, "width": 96, "height": 64, "inpaint_items": [], **change}
        return await self.call("POST", "/backend/video_gen", token, json=body)

    async def upload(self, token: str = "k", image: bytes | None = None) -> Answer:
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(image or png()), filename="red.png", content_type="image/png")
        form.add_field("file_name", "red.png")
        return await self.call("POST", "/backend/uploads", token, data=form)

    async def rows(self, token: str = "k", query: str = "limit=10") -> list[dict[str, Any]]:
        answer = await self.call("GET", f"/backend/video_gen?{query}", token)
        rows: list[dict[str, Any]] = answer.json["task_responses"]
        return rows

    async def image_url(self) -> str:
        await self.submit()
        return str((await self.rows())[0]["generations"][0]["url"])

    async def fault(self, **order: Any) -> Answer:
        return await self.call("POST", "/simulator/faults", None, json=order)

    async def stats(self) -> Any:
        return (await self.call("GET", "/simulator/stats", None)).json


def png(size: tuple[int, int] = (60, 60)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, RED).save(target, "PNG")
    return target.getvalue()


@contextlib.asynccontextmanager
async def simulator(**options: Any) -> AsyncIterator[Client]:
    clock = Clock()
    wanted = SimulatorOptions(**{**INSTANT, **options})
    async with serve_simulator(wanted, clocks=Clocks(now=clock)) as server, aiohttp.ClientSession() as session:
        yield Client(session, server.url, clock)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with simulator() as running:
        yield running


async def test_an_order_produces_images(client: Client) -> None:
    submitted = (await client.submit("a paper boat", n_variants=2, width=720, height=480)).json
    assert submitted["id"].startswith("task_")
    row = (await client.rows())[0]
    assert row == (await client.call("GET", f"/backend/video_gen/{row['id']}")).json
    assert (row["id"], row["status"], row["progress_pct"], row["prompt"]) == (
        submitted["id"], "succeeded", 1.0, "a paper boat",
    )  # fmt: skip
    assert row["moderation_result"] == {"type": "passed", "code": None}
    first, second = row["generations"]
    assert first["url"] == first["encodings"]["source"]["path"]
    images = [await client.call("GET", generation["url"], None) for generation in (first, second)]
    assert [image.headers["content-type"] for image in images] == ["image/png"] * 2
    assert images[0].body != images[1].body
    with Image.open(io.BytesIO(images[0].body)) as image:
        assert (image.format, image.size) == ("PNG", (720, 480))


async def test_a_running_task_shows_its_progress() -> None:
    async with simulator(seconds=10.0, queue_seconds=2.0) as client:
        await client.submit()
        client.clock.now += 1
        queued = (await client.rows())[0]
        client.clock.now += 6
        running = (await client.rows())[0]
    assert (queued["status"], queued["progress_pct"], queued["progress_pos_in_queue"]) == ("queued", None, 4)
    assert (running["status"], running["progress_pct"], running["generations"]) == ("running", 0.5, [])
    assert running["moderation_result"]["type"] == "pending"


async def test_a_remix_shows_the_uploaded_image(client: Client) -> None:
    uploaded = (await client.upload()).json
    item = {"type": "image", "frame_index": 0, "upload_media_id": uploaded["id"]}
    answer = await client.submit(operation="remix", inpaint_items=[item], width=480, height=480)
    assert answer.status == 200
    url = (await client.rows())[0]["generations"][0]["url"]
    with Image.open(io.BytesIO((await client.call("GET", url, None)).body)) as image:
        colours = image.convert("RGB").getcolors(480 * 480) or []
    red = sum(n for n, pixel in colours if isinstance(pixel, tuple) and abs(pixel[0] - 220) + pixel[1] + pixel[2] < 90)
    assert red > 10_000
    assert (await client.call("GET", uploaded["url"], None)).headers["content-type"] == "image/jpeg"
    refused = await client.submit(token="other", operation="remix", inpaint_items=[item])
    assert (refused.status, refused.code) == (400, "media_not_found")


async def test_a_large_upload_is_accepted_and_an_oversized_upload_is_refused(client: Client) -> None:
    noise = io.BytesIO()
    Image.effect_noise((2600, 2600), 120).save(noise, "PNG", compress_level=1)
    assert len(noise.getvalue()) > 5_000_000
    assert (await client.upload(image=noise.getvalue())).status == 200
    assert (await client.upload(image=b"x" * (32 * 2**20 + 1))).code == "upload_too_large"
    assert (await client.upload(image=b"no image")).code == "invalid_image"
    assert (await client.call("POST", "/backend/uploads", json={})).code == "invalid_upload"


async def test_calls_without_a_token_are_refused(client: Client) -> None:
    for method, path in [("GET", "/backend/video_gen"), ("GET", "/backend/parameters"), ("POST", "/backend/uploads")]:
        answer = await client.call(method, path, None)
        assert (answer.status, answer.json["error"]["type"]) == (401, "authentication_error")


async def test_invalid_calls_are_answered_with_error_objects(client: Client) -> None:
    assert (await client.call("GET", "/nowhere")).code == "not_found"
    assert (await client.call("DELETE", "/backend/video_gen")).code == "method_not_allowed"
    assert (await client.call("POST", "/backend/video_gen", data=b"{")).code == "invalid_json"
    assert (await client.call("GET", "/backend/video_gen?limit=x")).code == "invalid_limit"
    assert (await client.call("GET", "/backend/video_gen/task_x")).code == "task_not_found"
    video = await client.submit(type="video_gen")
    assert (video.status, video.code) == (400, "unsupported_type")


async def test_the_parameters_call_shows_that_a_key_works(client: Client) -> None:
    assert (await client.call("GET", "/backend/parameters")).json["can_create_images"] is True


async def test_media_urls_expire_and_the_list_contains_fresh_urls() -> None:
    async with simulator(media_ttl=60.0) as client:
        url = await client.image_url()
        assert (await client.call("GET", url, None)).status == 200
        client.clock.now += 60
        assert (await client.call("GET", url, None)).code == "url_expired"
        fresh = (await client.rows())[0]["generations"][0]["url"]
        assert (await client.call("GET", fresh, None)).status == 200


async def test_media_urls_cannot_be_guessed(client: Client) -> None:
    url = await client.image_url()
    for wrong in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("/1.png", "/2.png"), url.split("?")[0]):
        assert (await client.call("GET", wrong, None)).status == 404


async def test_task_lists_can_be_paged_can_wrap_their_rows_and_can_omit_prompts() -> None:
    async with simulator(page_limit=2, wrap_rows=True, list_without_prompts=True) as client:
        ids = [(await client.submit()).json["id"] for _ in range(3)]
        page = (await client.call("GET", "/backend/video_gen?limit=50")).json
        assert [row["payload"]["id"] for row in page["data"]] == ids[:0:-1]
        assert page["has_more"] is True
        assert not {"prompt", "width", "height", "n_variants"} & set(page["data"][0]["payload"])
        rest = (await client.call("GET", f"/backend/video_gen?limit=50&before={page['last_id']}")).json
        assert [row["payload"]["id"] for row in rest["data"]] == ids[:1]
        assert rest["has_more"] is False


async def test_orders_above_a_limit_are_refused_as_by_the_real_service() -> None:
    async with simulator(max_concurrent=1, rpm=2, seconds=10.0) as client:
        await client.submit()
        busy = await client.submit()
        assert (busy.status, busy.code, busy.json["error"]["details"]) == (
            429, "too_many_concurrent_tasks", {"num_tasks": 1},
        )  # fmt: skip
        client.clock.now += 10
        await client.submit()
        client.clock.now += 10
        exhausted = await client.submit()
        assert (exhausted.status, exhausted.code) == (429, "rate_limit_exhausted")
        assert exhausted.headers["retry-after"] == "40"
        assert (await client.stats())["refusals"] == {"too_many_concurrent_tasks": 1, "rate_limit_exhausted": 1}


async def test_an_order_can_be_registered_long_before_its_answer() -> None:
    async with simulator(answer_delay=300.0) as client:
        call = asyncio.create_task(client.submit())
        assert (await client.call("GET", "/simulator/wait?registered=1&timeout=60", None)).json["met"] is True
        assert not call.done()
        call.cancel()


async def test_the_statistics_show_calls_answers_refusals_and_tasks(client: Client) -> None:
    task_id = (await client.submit("a boat", "one")).json["id"]
    await client.submit("a car", "two")
    await client.submit("", "two")
    await client.rows("one")
    client.clock.now += 2.5
    await client.rows("one")
    client.clock.now += 4
    await client.rows("one")
    await client.upload("two")
    stats = await client.stats()
    assert stats == (await client.call("GET", "/stats", None)).json
    assert stats["requests"] == {"submit": {"one": 1, "two": 2}, "list": {"one": 3}, "upload": {"two": 1}}
    assert stats["answers"] == {"submit": {"200": 2, "400": 1}, "list": {"200": 3}, "upload": {"200": 1}}
    assert stats["refusals"] == {"missing_prompt": 1}
    assert (stats["registered"], stats["unfinished"], stats["max_concurrent"]) == (2, 0, 1)
    assert stats["max_concurrent_by_token"] == {"one": 1, "two": 1}
    assert stats["lists"] == {"one": {"calls": 3, "min_spacing": 2.5}}
    first = stats["tasks"][0]
    assert (first["id"], first["token"], first["prompt"]) == (task_id, "one", "a boat")
    assert abs(first["at"] - time.time()) < 60
    assert [upload["token"] for upload in stats["uploads"]] == ["two"]
    assert (await client.call("GET", "/simulator/stats?tasks=0", None)).json["tasks"] == []


async def test_a_reset_returns_the_simulator_to_its_initial_state(client: Client) -> None:
    await client.submit()
    await client.upload()
    await client.fault(fault="drop", endpoint="list")
    await client.call("POST", "/simulator/reset", None)
    stats = await client.stats()
    assert (stats["registered"], stats["tasks"], stats["uploads"], stats["requests"]) == (0, [], [], {})
    assert await client.rows() == []


async def test_a_wait_ends_when_its_condition_is_met(client: Client) -> None:
    query = "endpoint=submit&token=k&count=2&registered=2&timeout=60"
    wait = asyncio.create_task(client.call("GET", f"/simulator/wait?{query}", None))
    await client.submit()
    await client.submit(token="other")
    assert not wait.done()
    await client.submit()
    assert (await wait).json == {"met": True, "count": 2, "registered": 3, "struck": 0}


async def test_a_wait_whose_condition_is_never_met_ends_with_its_timeout(client: Client) -> None:
    answer = await client.call("GET", "/simulator/wait?registered=1&timeout=0.01", None)
    assert (answer.status, answer.json["met"]) == (504, False)
    assert (await client.call("GET", "/simulator/wait?moon=1", None)).code == "invalid_wait"
    assert (await client.call("GET", "/simulator/wait?endpoint=moon", None)).code == "invalid_wait"
    assert (await client.call("GET", "/simulator/wait?registered=nan", None)).code == "invalid_wait"


async def test_faults_can_be_requested_listed_and_removed(client: Client) -> None:
    added = (await client.fault(fault="server_error", times=3, status=502)).json["faults"]
    assert (added[0]["status"], added[0]["left"], added[0]["registered"]) == (502, 3, False)
    await client.call("GET", "/backend/parameters")
    listed = (await client.call("GET", "/simulator/faults", None)).json["faults"]
    assert (listed[0]["left"], listed[0]["struck"]) == (2, 1)
    assert (await client.call("DELETE", f"/simulator/faults/{added[0]['id']}", None)).status == 200
    assert (await client.call("DELETE", f"/simulator/faults/{added[0]['id']}", None)).status == 404
    await client.call("POST", "/simulator/faults", None, json=[{"fault": "drop"}, {"fault": "html"}])
    await client.call("DELETE", "/simulator/faults", None)
    assert (await client.call("GET", "/backend/parameters")).status == 200
    assert (await client.stats())["faults_struck"] == {"server_error": 1}


async def test_an_invalid_fault_is_refused_with_the_reason(client: Client) -> None:
    answer = await client.fault(fault="explode")
    assert (answer.status, answer.code) == (400, "invalid_fault")
    assert "Unknown fault 'explode'" in answer.json["error"]["message"]
    assert (await client.call("POST", "/simulator/faults", None, data=b"{")).code == "invalid_fault"


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"fault": "unauthorized"}, 401, "token_expired"),
        ({"fault": "unauthorized", "code": "token_invalidated"}, 401, "token_invalidated"),
        ({"fault": "forbidden"}, 403, "unsupported_country_code"),
        ({"fault": "forbidden", "code": "other"}, 403, "other"),
        ({"fault": "too_many_tasks", "num_tasks": 3}, 429, "too_many_concurrent_tasks"),
        ({"fault": "forbidden", "status": 451}, 451, "unsupported_country_code"),
        ({"fault": "too_many_tasks", "told_by": "text"}, 429, "too_many_requests"),
        ({"fault": "quota"}, 429, "rate_limit_exhausted"),
        ({"fault": "quota", "status": 402, "code": "insufficient_quota"}, 402, "insufficient_quota"),
        ({"fault": "rate_limited", "retry_after": 37}, 429, "too_many_requests"),
        ({"fault": "server_error"}, 500, "internal_error"),
        ({"fault": "server_error", "status": 503}, 503, "heavy_load"),
        ({"fault": "policy"}, 400, "content_policy_violation"),
        ({"fault": "account"}, 403, "phone_number_required"),
        ({"fault": "account", "code": "onboarding_required", "status": 401}, 401, "onboarding_required"),
        ({"fault": "hang", "seconds": 0}, 504, "gateway_timeout"),
    ],
)
async def test_a_fault_is_answered_with_its_error_object(
    client: Client, order: dict[str, Any], status: int, code: str
) -> None:
    await client.fault(**order, times=1)
    answer = await client.submit()
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers.get("retry-after") == ("37" if "retry_after" in order else None)
    assert (await client.submit()).status == 200
    assert (await client.stats())["registered"] == 1


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("page", ["modern", "legacy"])
async def test_a_challenge_is_a_page_with_the_header_of_cloudflare(client: Client, status: int, page: str) -> None:
    await client.fault(fault="challenge", status=status, page=page, endpoint="list")
    answer = await client.call("GET", "/backend/video_gen")
    assert (answer.status, answer.headers["cf-mitigated"]) == (status, "challenge")
    assert answer.headers["content-type"].startswith("text/html")
    await client.call("DELETE", "/simulator/faults", None)
    await client.fault(fault="challenge", header=False)
    assert "cf-mitigated" not in (await client.call("GET", "/backend/video_gen")).headers


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_solver_of_challenges_gives_up_on_the_legacy_page(client: Client, status: int) -> None:
    await client.fault(fault="challenge", status=status, page="legacy")

    def work() -> None:
        with cloudscraper.create_scraper() as scraper:
            scraper.get(f"{client.url}/backend/parameters", headers={"Authorization": "Bearer k"}, timeout=PATIENCE)

    try:
        with pytest.raises(cloudscraper.exceptions.CloudflareChallengeError):
            await asyncio.to_thread(work)
    finally:
        # cloudscraper switches tracebacks off for the whole process when it meets a challenge.
        sys.__dict__.pop("tracebacklimit", None)


async def test_an_edge_error_is_an_html_page(client: Client) -> None:
    await client.fault(fault="server_error", status=522)
    answer = await client.submit()
    assert (answer.status, answer.headers["content-type"]) == (522, "text/html; charset=utf-8")


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("fault", sorted(name for name, kind in KINDS.items() if "registered" in kind.parameters))
async def test_a_fault_strikes_before_or_after_the_order_is_registered(
    client: Client, fault: str, registered: bool
) -> None:
    size = {"megabytes": 1} if fault == "oversize" else {"seconds": 0} if fault == "hang" else {}
    await client.fault(fault=fault, registered=registered, times=1, **size)
    with contextlib.suppress(aiohttp.ClientError):
        await client.submit("an odd order")
    assert [row["prompt"] for row in await client.rows()] == ["an odd order"] * registered


async def test_a_refused_order_does_not_use_up_a_fault() -> None:
    async with simulator(max_concurrent=1, seconds=10.0) as client:
        await client.submit()
        await client.fault(fault="drop", registered=True, times=1)
        assert (await client.submit()).code == "too_many_concurrent_tasks"
        assert len((await client.call("GET", "/simulator/faults", None)).json["faults"]) == 1


@pytest.mark.parametrize("reset", [True, False])
async def test_a_dropped_connection_ends_without_an_answer(client: Client, reset: bool) -> None:
    await client.fault(fault="drop", reset=reset)
    expected: type[Exception] = ConnectionResetError if reset else aiohttp.ServerDisconnectedError
    with pytest.raises((expected, aiohttp.ClientOSError)):
        await client.submit()
    await client.call("DELETE", "/simulator/faults", None)
    await client.fault(fault="drop", reset=reset, after="half")
    with pytest.raises(aiohttp.ClientError):
        await client.rows()


async def test_a_hanging_answer_ends_when_its_client_leaves(client: Client) -> None:
    await client.fault(fault="hang", endpoint="list")
    before = asyncio.all_tasks()
    call = asyncio.create_task(client.call("GET", "/backend/video_gen"))
    await client.call("GET", "/simulator/wait?struck=1&timeout=60", None)
    serving = [task for task in asyncio.all_tasks() - before if _name(task) == "RequestHandler._handle_request"]
    assert len(serving) == 1
    call.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([call, *serving])


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")


async def test_a_wait_does_not_delay_shutdown() -> None:
    async with aiohttp.ClientSession() as session:
        async with serve_simulator(SimulatorOptions()) as server:
            client = Client(session, server.url, Clock())
            wait = asyncio.create_task(client.call("GET", "/simulator/wait?registered=1&timeout=600", None))
            await client.stats()
        async with asyncio.timeout(PATIENCE):
            assert (await wait).json["met"] is False


async def test_a_hanging_answer_does_not_delay_shutdown() -> None:
    async with aiohttp.ClientSession() as session:
        async with serve_simulator(SimulatorOptions()) as server:
            client = Client(session, server.url, Clock())
            await client.fault(fault="hang", endpoint="parameters")
            await client.fault(fault="slow_body", endpoint="list")
            calls = [
                asyncio.create_task(client.call("GET", f"/backend/{name}")) for name in ("parameters", "video_gen")
            ]
            await client.call("GET", "/simulator/wait?struck=2&timeout=60", None)
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError) for end in ends)


async def test_an_answer_can_hang_for_a_while_and_then_arrive(client: Client) -> None:
    await client.fault(fault="hang", seconds=0.01, registered=True)
    submitted = (await client.submit()).json
    assert [row["id"] for row in (await client.rows())] == [submitted["id"]]


async def test_a_slow_body_finally_arrives_complete(client: Client) -> None:
    await client.fault(fault="slow_body", bytes=20, seconds=0.001)
    submitted = (await client.submit()).json
    assert [row["id"] for row in (await client.rows())] == [submitted["id"]]


async def test_the_garbage_fault_answers_with_invalid_json(client: Client) -> None:
    for kind in ("text", "truncated", "empty"):
        await client.fault(fault="garbage", kind=kind, times=1)
        answer = await client.call("GET", "/backend/video_gen")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        with pytest.raises(orjson.JSONDecodeError):
            _ = answer.json


async def test_an_answer_can_declare_an_unknown_encoding(client: Client) -> None:
    await client.fault(fault="encoded", encoding="x-unknown", times=1)
    answer = await client.call("GET", "/backend/video_gen")
    assert (answer.headers["content-encoding"], answer.json["task_responses"]) == ("x-unknown", [])


async def test_an_html_page_can_have_status_200(client: Client) -> None:
    await client.fault(fault="html")
    answer = await client.call("GET", "/backend/video_gen")
    assert (answer.status, answer.body[:15]) == (200, b"<!DOCTYPE html>")


async def test_an_answer_can_be_json_of_the_wrong_shape(client: Client) -> None:
    await client.submit()
    seen = {}
    for kind in ("missing", "list", "null", "string", "numbers", "strings", "rows"):
        await client.fault(fault="shape", kind=kind, times=1)
        seen[kind] = (await client.call("GET", "/backend/video_gen")).json
    assert "id" not in seen["missing"]["task_responses"][0]
    assert (seen["list"], seen["null"], seen["string"]) == ([], None, "task")
    assert seen["numbers"]["task_responses"][0]["id"] == 12345
    assert seen["strings"]["task_responses"][0]["progress_pct"] == "1.0"
    assert seen["rows"]["task_responses"] == "none"


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversized_body_is_valid_json_of_the_requested_size(client: Client, declared: bool) -> None:
    await client.submit()
    await client.fault(fault="oversize", megabytes=2, declared=declared)
    answer = await client.call("GET", "/backend/video_gen")
    assert len(answer.body) > 2 * 2**20
    assert len(answer.json["task_responses"]) == 1
    assert ("content-length" in answer.headers) is declared


async def test_a_fault_can_decide_how_a_task_ends(client: Client) -> None:
    fates: list[dict[str, Any]] = [
        {"fault": "never_finish"},
        {"fault": "moderation", "code": "violence", "needs_user_review": True},
        {"fault": "fail", "status": "cancelled", "reason": "because"},
        {"fault": "no_urls"},
        {"fault": "unknown_status", "status": "dreaming", "for_ever": True},
        {"fault": "null_progress"},
        {"fault": "unsafe", "count": 1},
        {"fault": "vanish"},
    ]
    for fate in fates:
        await client.fault(**fate, prompt=fate["fault"], times=1)
        await client.submit(fate["fault"], n_variants=2)
    rows = {row["prompt"]: row for row in await client.rows()}
    assert rows["never_finish"]["status"] == "running"
    moderated = rows["moderation"]
    assert (moderated["status"], moderated["needs_user_review"]) == ("failed", True)
    assert moderated["moderation_result"] == {"type": "failed", "code": "violence"}
    assert "invalid token" in moderated["failure_reason"]
    assert (rows["fail"]["status"], rows["fail"]["failure_reason"]) == ("cancelled", "because")
    assert [generation["url"] for generation in rows["no_urls"]["generations"]] == [None, None]
    assert rows["unknown_status"]["status"] == "dreaming"
    assert (rows["null_progress"]["status"], rows["null_progress"]["progress_pct"]) == ("succeeded", None)
    assert (len(rows["unsafe"]["generations"]), rows["unsafe"]["num_unsafe_generations"]) == (1, 1)
    assert "vanish" not in rows


async def test_media_faults_change_the_answer_for_an_image(client: Client) -> None:
    url = await client.image_url()
    whole = (await client.call("GET", url, None)).body

    async def spoilt(**order: Any) -> Answer:
        await client.fault(**order, times=1)
        return await client.call("GET", url, None)

    assert (await spoilt(fault="media_status", status=404)).status == 404
    assert (await spoilt(fault="server_error", endpoint="media", status=502)).status == 502
    with pytest.raises(aiohttp.ClientPayloadError):
        await spoilt(fault="media_cut")
    typed = await spoilt(fault="media_type", content_type="application/zip")
    assert (typed.headers["content-type"], typed.body) == ("application/zip", whole)
    assert (await spoilt(fault="media_html")).body.startswith(b"<!DOCTYPE html>")
    assert (await spoilt(fault="media_html", content_type="image/png")).headers["content-type"] == "image/png"
    assert (await spoilt(fault="media_svg")).body.startswith(b"<svg")
    large = await spoilt(fault="media_oversize", megabytes=2)
    assert (large.headers["content-type"], len(large.body)) == ("image/png", len(whole) + 2 * 2**20)
    assert large.body.startswith(whole)
    huge = (await spoilt(fault="media_pixel_bomb", width=7000, height=7000)).body
    with Image.open(io.BytesIO(huge)) as image:
        assert image.size == (7000, 7000)
    assert (await client.call("GET", url, None)).body == whole


async def test_a_gzip_bomb_is_small_on_the_wire(client: Client) -> None:
    url = await client.image_url()
    await client.fault(fault="media_gzip_bomb", megabytes=5)
    async with client.session.get(url, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    assert len(packed) < 20_000
    assert len(gzip.decompress(packed)) == 5 * 2**20


async def test_a_blocking_client_in_a_thread_is_served(client: Client) -> None:
    def work() -> tuple[str, bytes]:
        with cloudscraper.create_scraper() as scraper:
            scraper.headers["Authorization"] = "Bearer k"
            order = {"type": "image_gen", "prompt": "a boat", "n_variants": 1, "width": 96, "height": 64}
            task_id = scraper.post(f"{client.url}/backend/video_gen", json=order, timeout=PATIENCE).json()["id"]
            task = scraper.get(f"{client.url}/backend/video_gen/{task_id}", timeout=PATIENCE).json()
            return task["status"], scraper.get(task["generations"][0]["url"], timeout=PATIENCE).content

    status, image = await asyncio.to_thread(work)
    assert status == "succeeded"
    assert image.startswith(b"\x89PNG")


async def test_many_tasks_are_served_quickly(client: Client) -> None:
    for _ in range(10):
        await asyncio.gather(*(client.submit() for _ in range(50)))
    assert (await client.stats())["registered"] == 500
    begun = time.thread_time()
    for _ in range(20):
        assert len(await client.rows(query="limit=20")) == 20
    assert (time.thread_time() - begun) / 20 < 0.05  # seconds of CPU time; measured: 0.001 to 0.002


async def test_many_clients_that_request_an_image_at_once_get_the_same_bytes(client: Client) -> None:
    url = await client.image_url()
    answers = await asyncio.gather(*(client.call("GET", url, None) for _ in range(20)))
    assert len({answer.body for answer in answers}) == 1


SCRIPT = """
import argparse, sys
from sora_proxy.simulator.command import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_gets_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT, "--port", "0", "--seconds", "0.5", "--wrap-rows"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("simulator listening on ").strip()
        headers = {"Authorization": "Bearer k"}
        assert requests.get(f"{url}/backend/video_gen", headers=headers, timeout=PATIENCE).json()["data"] == []
        process.send_signal(number)
        assert process.wait(timeout=PATIENCE) == 0


def test_the_command_reports_that_its_address_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(parser.parse_args(["--port", str(port)])) == 2
    output = capsys.readouterr()
    assert output.err == f"simulator: can't listen on 127.0.0.1:{port}: the address is in use\n"
    assert output.out == ""


def test_the_command_refuses_impossible_options(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--jitter", "2"])) == 2
    assert capsys.readouterr().err == "simulator: jitter must be at most 1\n"


def test_the_command_serves_a_profile_below_the_path_that_the_profile_uses() -> None:
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        "--port",
        "0",
        "--wire",
        "images",
        "--profile",
        "seedream",
        "--seconds",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("simulator listening on ").strip()
        assert url.endswith("/api/v3")
        order = {"model": "doubao-seedream-4-5-251128", "prompt": "a fox", "size": "1K"}
        headers = {"Authorization": "Bearer k"}
        refused = requests.post(f"{url}/images/generations", json=order, headers=headers, timeout=PATIENCE)
        assert refused.json()["error"]["code"] == "InvalidParameter"
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--wire", "images", "--rpm", "5"], "--rpm is not an option of --wire images"),
        (["--profile", "museq"], "--profile is not an option of --wire sora"),
        (["--wire", "images", "--image-bytes", "-1"], "image_bytes must be zero or more"),
        (["--wire", "images", "--image-bytes", str(2**40)], "image_bytes must be at most 67108864"),
    ],
)
def test_the_command_refuses_options_of_another_protocol_and_values_out_of_range(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(arguments)) == 2
    assert capsys.readouterr().err == f"simulator: {told}\n"
