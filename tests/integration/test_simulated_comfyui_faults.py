"""The faults that can be requested from the simulated ComfyUI."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sora_proxy.simulator.comfyui.faults import ENDPOINTS, KINDS
from tests.eventually import eventually
from tests.simulated_comfyui import CLIENT, STEP, SimulatedComfyUI, painted, plain, simulated, upscaled

PROMPT_ID = "11111111-1111-4111-8111-111111111111"
BODY = {"prompt": plain(), "prompt_id": PROMPT_ID, "client_id": CLIENT}


@pytest.fixture
async def server() -> AsyncIterator[SimulatedComfyUI]:
    async with simulated(steps=4) as server:
        yield server


@pytest.fixture
async def slow() -> AsyncIterator[SimulatedComfyUI]:
    async with simulated(steps=4, seconds=4 * STEP) as server:
        yield server


async def registered(server: SimulatedComfyUI) -> int:
    count: int = (await server.stats())["registered"]
    return count


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize(
    ("fault", "parameters", "status", "content_type"),
    [
        ("status", {}, 500, "text/plain; charset=utf-8"),
        ("status", {"status": 502}, 502, None),
        ("html", {}, 200, "text/html"),
        ("html", {"status": 503}, 503, "text/html"),
    ],
)
async def test_a_submit_can_be_answered_with_an_error_or_an_html_page(
    server: SimulatedComfyUI, fault: str, parameters: Any, status: int, content_type: str | None, *, takes_effect: bool
) -> None:
    await server.fault(fault, takes_effect=takes_effect, **parameters)
    answer = await server.call("POST", "/prompt", json=BODY)
    assert (answer.status, answer.headers.get("content-type")) == (status, content_type)
    assert await registered(server) == takes_effect
    assert (await server.done(plain(2)))["status"]["completed"] is True


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_the_connection_of_a_submit_can_be_dropped(server: SimulatedComfyUI, *, takes_effect: bool) -> None:
    await server.fault("drop", takes_effect=takes_effect)
    with pytest.raises(aiohttp.ClientConnectionError):
        await server.call("POST", "/prompt", json=BODY)
    assert await registered(server) == takes_effect


async def test_the_job_of_a_hanging_submit_is_queued_when_the_hang_ends(slow: SimulatedComfyUI) -> None:
    await slow.fault("hang", seconds=STEP)
    waiting = asyncio.create_task(slow.call("POST", "/prompt", json=BODY))
    await slow.wait_for(struck=1)
    waiting.cancel()  # as an impatient client does
    assert await registered(slow) == 0
    assert await slow.get(f"/history/{PROMPT_ID}") == {}
    await slow.advance()
    await slow.wait_for(registered=1)
    assert (await slow.ended(PROMPT_ID))["status"]["completed"] is True


async def test_the_job_of_a_hanging_submit_can_be_queued_before_the_hang(slow: SimulatedComfyUI) -> None:
    await slow.fault("hang", when="after")
    waiting = asyncio.create_task(slow.call("POST", "/prompt", json=BODY))
    await slow.wait_for(registered=1)
    await slow.ended(PROMPT_ID)
    assert not waiting.done()
    waiting.cancel()


async def test_the_job_of_a_hanging_submit_is_lost_when_the_server_restarts(slow: SimulatedComfyUI) -> None:
    await slow.fault("hang")
    waiting = asyncio.create_task(slow.call("POST", "/prompt", json=BODY))
    await slow.wait_for(struck=1)
    await slow.restart()
    with pytest.raises(aiohttp.ClientConnectionError):
        await waiting

    async def back() -> bool:
        try:
            return bool(await slow.get("/queue"))
        except aiohttp.ClientConnectionError:
            return False

    await eventually(back)
    assert await registered(slow) == 0


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each != "ws"])
async def test_a_fault_can_make_any_call_fail(server: SimulatedComfyUI, endpoint: str) -> None:
    await server.fault("status", endpoint=endpoint, status=502)
    calls = {
        "submit": ("POST", "/prompt"),
        "job": ("GET", f"/api/jobs/{PROMPT_ID}"),
        "jobs": ("GET", "/api/jobs"),
        "cancel": ("POST", f"/api/jobs/{PROMPT_ID}/cancel"),
        "delete": ("POST", "/queue"),
        "interrupt": ("POST", "/interrupt"),
        "forget": ("POST", "/history"),
        "upload": ("POST", "/upload/image"),
        "models": ("GET", "/models/checkpoints"),
    }
    method, path = calls.get(endpoint, ("GET", f"/{endpoint}"))
    assert (await server.call(method, path, json={} if method == "POST" else None)).status == 502
    assert (await server.stats())["requests"] == {endpoint: 1}


async def test_a_socket_can_be_refused(server: SimulatedComfyUI) -> None:
    await server.fault("status", endpoint="ws", status=404)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await server.session.ws_connect(f"{server.url}/ws")


async def test_a_file_can_be_missing_for_one_request(server: SimulatedComfyUI) -> None:
    entry = await server.done(plain())
    await server.fault("view_gone")
    assert (await server.call("GET", "/view", params=entry["outputs"]["2"]["images"][0])).status == 404
    assert await server.image(entry)


async def test_the_answer_to_a_submit_can_contain_errors_of_other_nodes(server: SimulatedComfyUI) -> None:
    await server.fault("node_errors")
    answer = await server.call("POST", "/prompt", json=BODY)
    assert (answer.status, list(answer.json["node_errors"])) == (200, ["99"])
    assert (await server.ended(PROMPT_ID))["status"]["completed"] is True


async def test_the_error_of_a_failed_job_contains_its_prompt(server: SimulatedComfyUI) -> None:
    await server.done(painted("a fox"))
    await server.fault("execution_error", type="ValueError", message="wrong shape in /opt/x.py", prompt="a fox")
    await server.done(painted("a hare"))
    entry = await server.done(painted("a fox"))
    event, data = entry["status"]["messages"][-1]
    assert (event, data["exception_type"], data["exception_message"]) == (
        "execution_error",
        "ValueError",
        "wrong shape in /opt/x.py",
    )
    assert data["node_type"] == "CLIPTextEncode"
    assert data["current_inputs"]["text"] in (["a fox"], [""])
    assert data["traceback"]
    job = await server.get(f"/api/jobs/{entry['prompt'][1]}")
    assert (job["status"], job["execution_error"]) == ("failed", data)
    assert (await server.done(painted("a fox")))["status"]["completed"] is True


async def test_a_job_can_run_out_of_memory_after_its_first_step(server: SimulatedComfyUI) -> None:
    async with server.listener() as listener:
        await server.fault("out_of_memory")
        await server.submit(painted())
        heard = await listener.until("executing None")
        assert heard[heard.index("execution_error") - 1] == "progress 1/4 3"
        (error,) = listener.said("execution_error")
        assert error["exception_type"] == "torch.OutOfMemoryError"


@pytest.mark.parametrize("when", ["waiting", "running", "ended"])
async def test_a_job_can_vanish_before_during_or_after_its_run(server: SimulatedComfyUI, when: str) -> None:
    await server.fault("vanish", when=when)
    async with server.listener() as listener:
        await listener.until("status 0 sid")
        vanished = await server.submit(upscaled())
        heard = await listener.until("status 0")
        assert ("execution_success" in heard, "execution_start" in heard) == (when == "ended", when != "waiting")
        await server.done(plain())
    assert await server.get(f"/history/{vanished}") == {}
    assert (await server.call("GET", f"/api/jobs/{vanished}")).status == 404


async def test_a_socket_can_fall_silent(server: SimulatedComfyUI) -> None:
    await server.fault("silent_socket")
    async with server.listener() as listener:
        await listener.until("status 0 sid")
        await server.done(upscaled())
        await server.restart()
        assert await listener.rest() == ["status 1", "status 1"]


async def test_a_socket_can_be_cut_during_a_job(server: SimulatedComfyUI) -> None:
    await server.fault("cut_socket")
    async with server.listener() as listener:
        prompt_id = await server.submit(upscaled())
        heard = await listener.rest()
        assert listener.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        assert "executing None" not in heard
    assert (await server.ended(prompt_id))["status"]["completed"] is True


@pytest.mark.parametrize(
    ("fault", "parameters", "least"), [("foreign_frames", {}, 100), ("large_frame", {"bytes": 5_000_000}, 5_000_000)]
)
async def test_a_socket_can_receive_frames_of_other_jobs(
    server: SimulatedComfyUI, fault: str, parameters: Any, least: int
) -> None:
    await server.fault(fault, **parameters)
    async with server.session.ws_connect(f"{server.url}/ws?clientId={CLIENT}", max_msg_size=0) as socket:
        own = await server.submit(upscaled())
        frames = []
        async for frame in socket:
            frames.append(frame)
            if frame.type is aiohttp.WSMsgType.TEXT and frame.json()["data"].get("node", "") is None:
                break
    events = [frame.json() for frame in frames if frame.type is aiohttp.WSMsgType.TEXT]
    ids = {event["data"]["prompt_id"] for event in events if event["type"] == "progress"}
    assert (own in ids, len(ids)) == (True, 2)
    without, with_metadata = [frame.data for frame in frames if frame.type is aiohttp.WSMsgType.BINARY]
    assert struct.unpack(">I", without[:4]) == (1,)
    event, length = struct.unpack(">II", with_metadata[:8])
    assert (event, json.loads(with_metadata[8 : 8 + length])["prompt_id"]) == (4, min(ids - {own}))
    assert min(len(without), len(with_metadata)) > least


async def test_jobs_finish_although_a_client_does_not_read_its_socket(server: SimulatedComfyUI) -> None:
    await server.fault("large_frame", bytes=32 * 2**20)
    async with server.session.ws_connect(f"{server.url}/ws?clientId={CLIENT}", max_msg_size=0):
        assert (await server.done(upscaled()))["status"]["completed"] is True


async def test_a_fault_for_a_prompt_strikes_only_a_submit_that_contains_this_prompt(server: SimulatedComfyUI) -> None:
    await server.fault("status", prompt="dragon")
    assert (await server.done(painted("a fox")))["status"]["completed"] is True
    answer = await server.call("POST", "/prompt", json={"prompt": painted("a red dragon")})
    assert answer.status == 500
    assert (await server.stats())["faults_struck"] == {"status": 1}


@pytest.mark.parametrize("fault", KINDS)
async def test_each_fault_can_be_requested_by_its_name_alone(fault: str, server: SimulatedComfyUI) -> None:
    await server.fault(fault)
    listed = (await server.get("/simulator/faults"))["faults"]
    assert [(rule["fault"], rule["left"]) for rule in listed] == [(fault, 1)]
