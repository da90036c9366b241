"""The simulated ComfyUI sends the same answers and the same events as ComfyUI 0.33.0, 0.8.0 and 0.3.64 did.

Each line of `comfyui_wire.json` is one recorded exchange: the request, the versions, and the status, headers and shape
of the answer. Each line of `comfyui_sockets.json` is one frame that a socket of 0.33.0 received.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.shapes import has_shape
from tests.simulated_comfyui import (
    STEP,
    VERSIONS,
    Listener,
    SimulatedComfyUI,
    painted,
    simulated,
    upscaled,
)

DATA = Path(__file__).parents[1] / "data"
EXCHANGES = json.loads((DATA / "comfyui_wire.json").read_bytes())
HEARD: dict[str, list[str]] = json.loads((DATA / "comfyui_sockets.json").read_bytes())
MEGABYTE = 2**20


async def too_large() -> AsyncIterator[bytes]:
    for _ in range(101):
        yield bytes(MEGABYTE)


def sent_of(exchange: dict[str, Any]) -> dict[str, Any]:
    """The headers and the body of a recorded request, as arguments for aiohttp."""
    sent: dict[str, Any] = {"headers": exchange.get("sent", {})}
    if "json" in exchange:
        sent["json"] = exchange["json"]
    if "text" in exchange:
        sent["data"] = too_large() if exchange["status"] == 413 else exchange["text"].encode()
    return sent


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_simulated_server_answers_as_the_real_server_did(version: str) -> None:
    async with simulated(version) as server:
        for exchange in [each for each in EXCHANGES if version in each["versions"]]:
            answer = await server.call(exchange["method"], exchange["path"], **sent_of(exchange))
            assert answer.status == exchange["status"], (exchange["name"], answer.body)
            headers = {name: answer.headers.get(name) for name in exchange["headers"]}
            assert headers == exchange["headers"], exchange["name"]
            if isinstance(exchange["body"], str):
                assert answer.body.decode() == exchange["body"], exchange["name"]
            else:
                assert has_shape(answer.json, exchange["body"]), (exchange["name"], answer.body)


def test_many_exchanges_were_recorded_with_every_version_of_comfyui() -> None:
    assert all(sum(version in each["versions"] for each in EXCHANGES) > 40 for version in VERSIONS)


async def warm(server: SimulatedComfyUI, *, color: int = 255) -> None:
    """Put the nodes 0 and 1 of the graph of this colour into the cache, and no other nodes."""
    await server.fault("out_of_memory", node="ImageUpscaleWithModel")
    await server.submit(upscaled(color))
    await server.finish()


async def heard_step_by_step(server: SimulatedComfyUI, listener: Listener, *marks: str) -> list[str]:
    """The events of a socket up to the job's end. After each frame in `marks`, the clock moves forward by one step."""
    heard: list[str] = []
    for mark in marks:
        heard += await listener.until(mark)
        await server.advance()
    return heard + await listener.until("executing None")


async def test_a_job_with_a_sampler_and_previews_causes_the_recorded_events() -> None:
    async with simulated(seconds=3 * STEP) as server, server.listener(metadata=True) as listener:
        heard = await listener.until("feature_flags")
        await server.submit(painted(), extra_data={"preview_method": "latent2rgb"})
        marks = ("executing 3", "progress 1/3 3", "progress 2/3 3")
        assert heard + await heard_step_by_step(server, listener, *marks) == HEARD["sampler_with_previews"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_and_its_cached_repeat_cause_the_recorded_events(version: str) -> None:
    async with simulated(version, steps=2, seconds=2 * STEP) as server:
        await warm(server)
        async with server.listener() as listener:
            await listener.until("status 0 sid")
            await server.submit(upscaled())
            heard = await heard_step_by_step(server, listener, "executing 2", "progress 1/2 2")
            assert heard == ["status 1", *HEARD["success"]]  # the first event came before the recording began
            await server.submit(upscaled())
            assert await listener.until("executing None") == HEARD["cached"]


async def test_a_failed_job_causes_the_recorded_events() -> None:
    async with simulated(steps=5, seconds=5 * STEP) as server:
        await warm(server)
        async with server.listener() as listener:
            await listener.until("status 0 sid")
            await server.fault("execution_error", node="ImageUpscaleWithModel")
            await server.submit(upscaled())
            heard = await heard_step_by_step(server, listener, "executing 2")
            assert heard == [
                line for line in HEARD["error"] if "2/5" not in line
            ]  # the step at which the recorded node failed


async def test_an_interrupted_job_causes_the_recorded_events() -> None:
    async with simulated(steps=60, seconds=60 * STEP) as server:
        await warm(server)
        async with server.listener() as listener:
            await listener.until("status 0 sid")
            await server.submit(upscaled())
            heard = await listener.until("executing 2")
            await server.advance()
            heard += await listener.until("progress 1/60 2")
            await server.call("POST", "/interrupt", json={})
            await server.advance()
            assert heard + await listener.until("executing None") == HEARD["interrupted"]


async def test_a_socket_receives_the_recorded_events_of_other_clients_jobs() -> None:
    async with simulated(steps=2, seconds=2 * STEP) as server:
        await warm(server, color=7)
        async with server.listener("bystander") as listener:
            await listener.until("status 0 sid")
            await server.submit(upscaled(), client_id=None)
            heard: list[str] = []
            for mark in ("state 2 0/1 running of 2", "progress 1/2 2"):
                heard += await listener.until(mark)
                await server.advance()
            heard += await listener.until("status 0")
            assert heard == HEARD["bystander_job_without_client_id"]

            await server.submit(upscaled(2), client_id="another")
            await server.finish()
            assert await listener.until("status 0") == HEARD["bystander_job_of_another_client"]


async def test_the_second_socket_of_a_client_receives_nothing_after_the_first_socket_closes() -> None:
    async with simulated(steps=25, seconds=25 * STEP) as server:
        await warm(server)
        async with server.listener() as first:
            await first.until("status 0 sid")
            await server.submit(upscaled())
            heard = []
            for mark in ("executing 2", *(f"progress {step}/25 2" for step in range(1, 4))):
                heard += await first.until(mark)
                await server.advance()
            heard += await first.until("progress 4/25 2")
            assert heard == HEARD["displaced_first"]
            async with server.listener() as second:
                heard = await second.until("executing 2 without prompt_id")
                for step in range(5, 10):
                    await server.advance()
                    heard += await second.until(f"progress {step}/25 2")
                assert heard == HEARD["displaced_second"]
                assert (await server.stats())["sockets"]["displaced"] == 1

                await first.socket.close()
                await eventually(lambda: one_is_open(server))
                await server.finish()
                await server.restart()
                assert await second.rest() == []
        assert first.frames[-1].json()["data"]["value"] == 4


async def one_is_open(server: SimulatedComfyUI) -> bool:
    return bool((await server.stats())["sockets"]["open"] == 1)


async def test_a_reconnected_socket_receives_the_remaining_events_of_the_job() -> None:
    async with simulated(steps=8, seconds=8 * STEP) as server:
        await warm(server)
        async with server.listener() as first:
            await server.submit(upscaled())
            for mark in ("executing 2", *(f"progress {step}/8 2" for step in range(1, 5))):
                await first.until(mark)
                await server.advance()
            await first.until("progress 5/8 2")
        async with server.listener() as second:
            marks = ("executing 2 without prompt_id", "progress 6/8 2", "progress 7/8 2")
            assert await heard_step_by_step(server, second, *marks) == HEARD["reconnect_mid_job"]


KEYS = {
    "execution_start": {"prompt_id", "timestamp"},
    "execution_cached": {"nodes", "prompt_id", "timestamp"},
    "progress_state": {"nodes", "prompt_id"},
    "executing": {"node", "display_node", "prompt_id"},
    "progress": {"value", "max", "node", "prompt_id"},
    "executed": {"node", "display_node", "output", "prompt_id"},
    "execution_success": {"prompt_id", "timestamp"},
}


async def test_events_have_the_recorded_fields() -> None:
    async with simulated() as server, server.listener() as listener:
        prompt_id = await server.submit(painted())
        await listener.until("executing None")
        for kind, keys in KEYS.items():
            said = listener.said(kind)
            assert set(said[0]) == keys
            assert {data["prompt_id"] for data in said} == {prompt_id}
        latest = listener.said("progress_state")[-1]["nodes"]["9"]
        state = {"value": 1.0, "max": 1.0, "state": "finished"}
        ids = {"node_id": "9", "display_node_id": "9", "parent_node_id": None, "real_node_id": "9"}
        assert latest == {**state, **ids, "prompt_id": prompt_id}
