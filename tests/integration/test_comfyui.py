"""Our server in front of ComfyUI servers: its answers to clients and its calls to ComfyUI, including after failures."""

import asyncio
import base64
import contextlib
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from sora_proxy.api.admin.backend_context import DISCOVERY
from sora_proxy.api.context import BACKENDS_IN_USE, SUPERVISOR
from sora_proxy.event_log import Progress
from sora_proxy.generation import Generation
from sora_proxy.simulator.comfyui import ComfyUIOptions, serve_comfyui_simulator
from sora_proxy.simulator.comfyui.pictures import Picture
from sora_proxy.simulator.serving import listen
from sora_proxy.upstream.comfyui.workflows import PACKAGED
from tests.conftest import Proxy, StartProxy
from tests.contract.comfyui_server import ComfyUIServer
from tests.eventually import PATIENCE, eventually
from tests.integration.test_cancel import cancel, finish_reason
from tests.simulated_comfyui import CHECKPOINT, STEP, VERSIONS, SimulatedComfyUI, painted, plain, simulated
from tests.simulated_images import png

MODEL, OTHER = "text-to-image", "sk-of-another-client"
SEED = 5
versions = pytest.mark.parametrize("version", VERSIONS)


def in_front_of(*servers: SimulatedComfyUI, **settings: Any) -> dict[str, Any]:
    """The settings of our server in front of these ComfyUI servers."""
    urls = ",".join(server.url for server in servers)
    return {"upstream": "comfyui", "comfyui_url": urls, "image_localization": True} | settings


async def knows_models(proxy: Proxy) -> None:
    for backend in proxy.app[BACKENDS_IN_USE].all:
        await proxy.app[DISCOVERY].ask(backend)


@contextlib.asynccontextmanager
async def ours(start_proxy: StartProxy, *servers: SimulatedComfyUI, **settings: Any) -> AsyncIterator[Proxy]:
    async with start_proxy(**in_front_of(*servers, **settings)) as proxy:
        await knows_models(proxy)
        yield proxy


async def generate(proxy: Proxy, prompt: str = "a red fox", key: str | None = None, **fields: Any) -> tuple[int, Any]:
    body = {"model": MODEL, "prompt": prompt, "size": "64x64", "seed": SEED, "response_format": "b64_json"} | fields
    headers = {"authorization": f"Bearer {key}"} if key else None
    async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def edit(proxy: Proxy, files: dict[str, bytes], prompt: str = "at night", model: str = MODEL) -> tuple[int, Any]:
    fields = {"prompt": prompt, "model": model, "size": "64x64", "response_format": "b64_json"}
    form = aiohttp.FormData(fields)
    for name, content in files.items():
        form.add_field(name, content, filename="image.png", content_type="application/octet-stream")
    async with proxy.client.post(f"{proxy.url}/v1/images/edits", data=form) as answer:
        return answer.status, await answer.json()


async def place(proxy: Proxy, prompt: str = "a red fox") -> str:
    """Place an order without waiting for it; returns its id."""
    async with proxy.chat(prompt, model=MODEL, background=True) as answer:
        assert answer.status == 200, await answer.text()
        return str(answer.headers["x-generation-id"])


def corner(body: Any) -> tuple[int, ...]:
    """The colour of the first pixel of the first image in an answer."""
    (pixel,) = [colour_of(base64.b64decode(row["b64_json"])) for row in body["data"]]
    return pixel


def colour_of(content: bytes) -> tuple[int, ...]:
    with Image.open(io.BytesIO(content)) as image:
        pixel = image.convert("RGB").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        return tuple(map(int, pixel))


def colour_by(prompt: str) -> tuple[int, ...]:
    """The colour that the first pixel of an image for this prompt must have."""
    return Picture(64, 64, f"{prompt} · seed {SEED}").corner


async def submitted(server: SimulatedComfyUI) -> list[dict[str, Any]]:
    return [each for each in (await server.stats())["submits"] if each["client_id"]]


async def running(proxy: Proxy) -> Generation:
    async def look() -> Generation | None:
        (generation,) = proxy.app[SUPERVISOR].unfinished
        return generation if generation.state.task_id else None

    return await eventually(look)


# --- A farm ----------------------------------------------------------------------------------------------------------


async def test_two_servers_serve_two_clients_fairly_even_if_one_server_is_killed(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A finished image is fetched after the restart of its server.
    monkeypatch.setattr("sora_proxy.orders.results.PATIENCE_SECONDS", PATIENCE)
    keys = [{"key": OTHER, "name": "other"}]
    made: list[str] = []
    async with (
        simulated(seconds=STEP) as first,
        simulated(seconds=STEP) as second,
        ours(start_proxy, first, second, client_keys=keys) as proxy,
    ):
        idle: list[str] = []

        async def order(client: str, key: str | None, number: int) -> tuple[int, Any]:
            status, body = await generate(proxy, f"{client} {number}", key)
            made.append(client)
            if len(made) < 16 and len(proxy.pool.queue):
                idle.extend(each.alias for each in proxy.pool.keys if not each.tasks)
            if len(made) == 16:
                await second.restart(0.5)
            assert status != 200 or corner(body) == colour_by(f"{client} {number}")
            return status, body

        async def placed(count: int) -> bool:
            return len(proxy.app[SUPERVISOR].unfinished) == count

        async def all_made() -> bool:
            for server in (first, second):
                with contextlib.suppress(aiohttp.ClientConnectionError):  # the server is down
                    await server.advance()
            return len(made) == 40

        async with asyncio.TaskGroup() as group:
            early = [group.create_task(order("early", None, number)) for number in range(20)]

            await eventually(lambda: placed(20))
            late = [group.create_task(order("late", OTHER, number)) for number in range(20)]
            await eventually(lambda: placed(40))
            await eventually(all_made)
        outcomes = [task.result() for task in (*early, *late)]
        stats = [await server.stats() for server in (first, second)]
    lost = [body["error"]["code"] for status, body in outcomes if status != 200]
    assert len(outcomes) == 40
    assert set(lost) <= {"upstream_lost"}
    assert len(lost) <= 1
    assert idle == []
    assert 5 <= made[:16].count("late") <= 11  # although all orders of the first client were placed earlier
    assert [each["max_unfinished"] for each in stats] == [1, 1]
    assert min(each["registered"] for each in stats) >= 5
    assert sum(each["registered"] for each in stats) == 40  # no image is made twice


async def test_two_orders_at_once_go_to_two_servers(start_proxy: StartProxy) -> None:
    async with simulated(seconds=STEP) as first, simulated(seconds=STEP) as second:
        async with ours(start_proxy, first, second) as proxy:
            placed = [await place(proxy, prompt) for prompt in ("one", "two")]
            for server in (first, second):
                await server.wait_for(registered=1)
                await server.finish()
            for generation_id in placed:
                assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        assert [len(await submitted(server)) for server in (first, second)] == [1, 1]


async def test_an_order_goes_to_another_server_or_waits_while_a_server_is_down(
    start_proxy: StartProxy,
) -> None:
    async with simulated() as first, simulated() as second, ours(start_proxy, first, second) as proxy:
        await first.restart(3600)
        assert (await generate(proxy))[0] == 200
        assert len(await submitted(second)) == 1
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.restart(1.0)
        assert (await generate(proxy))[0] == 200
        assert len(await submitted(server)) == 1


async def test_an_order_goes_to_the_server_that_has_the_checkpoint_of_its_model(start_proxy: StartProxy) -> None:
    async with (
        simulated(checkpoints=CHECKPOINT) as first,
        simulated(checkpoints="b.safetensors") as second,
        ours(start_proxy, first, second) as proxy,
    ):
        for name, server in ((CHECKPOINT, first), ("b.safetensors", second), (CHECKPOINT, first)):
            before = len(await submitted(server))
            status, body = await generate(proxy, model=f"{MODEL}/{name}")
            assert status == 200, body
            assert len(await submitted(server)) == before + 1


@pytest.mark.parametrize("first_can", [True, False])
async def test_an_edit_goes_to_the_server_that_can_run_the_workflow_for_edits(
    start_proxy: StartProxy, tmp_path: Path, first_can: bool
) -> None:
    folder = tmp_path / "workflows"
    await asyncio.to_thread(write_workflow, folder, "mine", "snow")
    mapping = await asyncio.to_thread((folder / "mine.map.json").read_text)
    changed = json.dumps(json.loads(mapping) | {"with_reference": "upscale"})
    await asyncio.to_thread((folder / "mine.map.json").write_text, changed)
    async with simulated() as able, simulated(upscale_models="") as unable:
        servers = (able, unable) if first_can else (unable, able)
        async with ours(start_proxy, *servers, workflows_dir=folder) as proxy:
            files = {"image": png("red", (32, 16))}
            answers = await asyncio.gather(*(edit(proxy, files, model="mine") for _ in range(4)))
            assert [status for status, _ in answers] == [200] * 4
            assert [len(await submitted(server)) for server in (able, unable)] == [4, 0]
            assert (await generate(proxy, model="mine"))[0] == 200


async def test_an_edit_is_refused_after_its_workflow_was_disabled(start_proxy: StartProxy, tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    await asyncio.to_thread(folder.mkdir)
    async with simulated() as server, ours(start_proxy, server, workflows_dir=folder) as proxy:
        for name, files in (("inpaint", ("image", "mask")), ("image-to-image", ("image",))):
            await asyncio.to_thread((folder / f"{name}.map.json").write_text, '{"enabled": false}')
            status, body = await edit(proxy, {file: png("red") for file in files})
            assert (status, body["error"]["code"]) == (400, "model_unavailable")
        assert await submitted(server) == []


# --- Progress --------------------------------------------------------------------------------------------------------


@versions
async def test_a_waiting_order_shows_its_place_and_a_running_order_its_progress(
    start_proxy: StartProxy, version: str
) -> None:
    async with simulated(version, seconds=4 * STEP, steps=4) as server, ours(start_proxy, server) as proxy:
        await server.submit(painted("of somebody else"), "other")
        generation_id = await place(proxy)
        generation = await running(proxy)

        async def at(position: int | None, least: int) -> bool:
            told = generation.log.last
            return isinstance(told, Progress) and told.position == position and (told.percent or 0) >= least

        await eventually(lambda: at(1, 0))
        await server.advance(5 * STEP)
        await eventually(lambda: at(None, 6))  # the sampler has started, and its steps are timed from here
        for least in (20, 40, 60):
            await server.advance(STEP)
            await eventually(lambda: at(None, least))  # noqa: B023
        await server.finish()
        assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"
        percents = [event.percent for event in generation.events_of(Progress) if event.percent is not None]
    assert percents == sorted(percents)


@pytest.mark.parametrize("fate", ["silent_socket", "cut_socket", "foreign_frames", "large_frame"])
async def test_orders_are_made_despite_socket_faults_and_no_socket_displaces_another(
    start_proxy: StartProxy, fate: str
) -> None:
    async with simulated(seconds=0.2, steps=2) as server, ours(start_proxy, server) as proxy:
        await server.fault(fate)
        for prompt in ("first", "second"):
            status, body = await generate(proxy, prompt)
            assert (status, corner(body)) == (200, colour_by(prompt))
        stats = await server.stats()
    assert (stats["registered"], stats["sockets"]["displaced"], stats["faults_struck"]) == (2, 0, {fate: 1})


async def test_a_socket_that_is_silent_while_an_order_is_running_is_replaced(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.comfyui.listener.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("sora_proxy.upstream.comfyui.listener.TICK_SECONDS", 0.05)
    async with simulated(seconds=4 * STEP, steps=4) as server, ours(start_proxy, server) as proxy:
        await server.fault("silent_socket")
        generation_id = await place(proxy)
        generation = await running(proxy)

        async def progress() -> bool:
            await server.advance(STEP / 100)
            sockets = (await server.stats())["sockets"]
            return bool(sockets["opened"] >= 2 and sockets["displaced"] == 0)

        await eventually(progress)
        await server.advance(STEP)

        async def heard() -> bool:
            return any(event.percent for event in generation.events_of(Progress))

        await eventually(heard)
        await server.finish()
        assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"


async def test_an_order_is_made_although_another_program_took_over_the_socket(start_proxy: StartProxy) -> None:
    async with simulated(seconds=STEP) as server, ours(start_proxy, server) as proxy:
        generation_id = await place(proxy)
        await server.wait_for(registered=1)
        (name,) = (await server.stats())["sockets"]["names"]
        async with server.listener(name):
            await server.finish()
            assert (await proxy.ended(generation_id))["choices"][0]["finish_reason"] == "stop"


async def test_the_socket_is_open_only_while_there_are_orders(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.upstream.comfyui.listener.TICK_SECONDS", 0.05)
    async with simulated() as server, ours(start_proxy, server) as proxy:
        assert (await server.stats())["sockets"]["opened"] == 0
        assert (await generate(proxy))[0] == 200

        async def closed() -> bool:
            sockets = (await server.stats())["sockets"]
            return bool(sockets["opened"] == 1 and sockets["open"] == 0)

        await eventually(closed)


# --- Cancelling ------------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("waits", [True, False])
async def test_cancelling_an_order_does_not_affect_the_jobs_of_other_programs(
    start_proxy: StartProxy, version: str, waits: bool
) -> None:
    async with simulated(version, seconds=STEP) as server, ours(start_proxy, server) as proxy:
        before = [await server.submit(painted("before"), "other")] if waits else []
        generation_id = await place(proxy)
        await server.wait_for(registered=len(before) + 1)
        generation = await running(proxy)
        after = await server.submit(painted("after"), "other")
        await cancel(proxy, generation_id)

        async def key_is_free() -> bool:
            await server.advance(STEP / 100)
            return not proxy.app[SUPERVISOR].unfinished

        await eventually(key_is_free)
        await server.finish()
        for other in (*before, after):
            assert (await server.ended(other))["status"]["status_str"] == "success"
        assert await finish_reason(proxy, generation_id) == "error"
        stats = await server.stats()
    hit = {*stats["cancels"], *stats["deletes"], *stats["interrupts"]}
    assert hit == {generation.state.task_id}


# --- Lost jobs and answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_lost", ["fail", "requeue"])
async def test_an_order_interrupted_by_a_comfyui_restart_is_lost_or_sent_again(
    start_proxy: StartProxy, on_lost: str
) -> None:
    async with simulated(seconds=STEP) as server, ours(start_proxy, server, on_lost=on_lost) as proxy:
        generation_id = await place(proxy)
        generation = await running(proxy)
        await server.restart(0.3)
        if on_lost == "requeue":

            async def sent_again() -> bool:
                return generation.state.attempts == 2 and generation.state.task_id is not None

            await eventually(sent_again)
            await server.finish()
        ended = await proxy.ended(generation_id)
        listed = (await proxy.get("/v1/generations"))["data"][0]
        stats = await server.stats()
    assert (ended["choices"][0]["finish_reason"] == "stop") == (on_lost == "requeue")
    assert (listed["error"] or {}).get("code") == (None if on_lost == "requeue" else "upstream_lost")
    assert stats["registered"] == (2 if on_lost == "requeue" else 1)


@pytest.mark.parametrize("when", ["waiting", "running", "ended"])
async def test_a_job_deleted_in_comfyui_is_soon_reported_as_lost(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    if when != "running":
        monkeypatch.setattr("sora_proxy.orders.watcher.GONE_TASK_SECONDS", 0.2)
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault("vanish", when=when)
        started = asyncio.get_running_loop().time()
        status, body = await generate(proxy)
        seconds = asyncio.get_running_loop().time() - started
        stats = await server.stats()
    assert (status, body["error"]["code"]) == (502, "upstream_lost")
    assert seconds < 60  # a busy machine may be slow; an idle machine takes 6 seconds
    assert stats["registered"] == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_order_whose_submit_hangs_is_found_later_and_made_once(start_proxy: StartProxy, when: str) -> None:
    async with simulated() as server, ours(start_proxy, server, submit_timeout=0.3, settle_time=3.0) as proxy:
        await server.fault("hang", seconds=1.0, when=when)
        status, _ = await generate(proxy)
        stats = await server.stats()
    assert (status, stats["registered"]) == (200, 1)


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("drop", {"takes_effect": True}),
        ("drop", {"takes_effect": False}),
        ("status", {"status": 500, "takes_effect": True}),
        ("status", {"status": 502, "takes_effect": False}),
        ("html", {"status": 200, "takes_effect": True}),
        ("html", {"status": 504, "takes_effect": False}),
    ],
)
async def test_an_inconclusive_answer_does_not_cause_a_second_order(
    start_proxy: StartProxy, fault: str, parameters: dict[str, Any]
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault(fault, **parameters)
        status, _ = await generate(proxy)
        stats = await server.stats()
    assert (status, stats["registered"]) == (200, 1)


@pytest.mark.parametrize("endpoint", ["queue", "history", "view", "upload", "ws"])
@pytest.mark.parametrize("fault", ["status", "html", "drop"])
async def test_calls_that_fail_for_a_while_are_retried(start_proxy: StartProxy, fault: str, endpoint: str) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault(fault, endpoint=endpoint)
        status, body = await edit(proxy, {"image": png("red")})
        stats = await server.stats()
    assert status == 200, body
    assert stats["registered"] == 1


# --- Refusals and failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fate", "words"), [("execution_error", "CLIPTextEncode"), ("out_of_memory", "memory")])
async def test_a_failed_job_is_explained_without_the_text_of_the_server(
    start_proxy: StartProxy, fate: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault(fate)
        status, body = await generate(proxy, "a secret wish")
        assert (status, body["error"]["code"]) == (502, "generation_failed")
        assert words in body["error"]["message"]
        assert (await generate(proxy))[0] == 200
    for text in (json.dumps(body), caplog.text):
        assert "secret wish" not in text
        assert "/opt/comfyui" not in text


async def test_an_order_is_made_although_comfyui_reports_errors_of_nodes_that_it_does_not_need(
    start_proxy: StartProxy,
) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        await server.fault("node_errors")
        assert (await generate(proxy))[0] == 200


async def test_an_order_is_refused_if_comfyui_accepts_its_job_without_the_output_node(start_proxy: StartProxy) -> None:
    server = ComfyUIServer()
    server.node_errors = {"3": {"errors": [], "dependent_outputs": ["9"], "class_type": "KSampler"}}
    runner = await server.start()
    async with start_proxy(upstream="comfyui", comfyui_url=server.url) as proxy:
        await knows_models(proxy)
        status, body = await generate(proxy)
    await runner.cleanup()
    assert (status, body["error"]["code"]) == (400, "order_refused")
    assert len(server.stopped) == server.registered == 1


@pytest.mark.parametrize("told", ["another", "11111111-1111-5111-8111-111111111111", "../../queue?x=1"])
async def test_an_order_is_made_although_the_answer_contains_a_wrong_id(start_proxy: StartProxy, told: str) -> None:
    server = ComfyUIServer()
    runner = await server.start()
    async with start_proxy(upstream="comfyui", comfyui_url=server.url, image_localization=True) as proxy:
        await knows_models(proxy)
        await proxy.ended(await place(proxy))
        (first,) = (await proxy.get("/v1/generations"))["data"]
        server.told_id = first["backend_id"] if told == "another" else told
        assert (await generate(proxy))[0] == 200
        assert server.registered == 2
    await runner.cleanup()


@pytest.mark.parametrize(("status", "code"), [(413, "request_too_large"), (400, "invalid_image")])
async def test_a_refused_reference_image_affects_neither_the_key_nor_the_next_order(
    start_proxy: StartProxy, status: int, code: str
) -> None:
    server = ComfyUIServer()
    server.upload_status = status
    runner = await server.start()
    async with start_proxy(upstream="comfyui", comfyui_url=server.url, image_localization=True) as proxy:
        await knows_models(proxy)
        _, body = await edit(proxy, {"image": png("red")})
        assert body["error"]["code"] == code
        assert [key.cooldown.failures for key in proxy.pool.keys] == [0]
        assert (await generate(proxy))[0] == 200
        assert server.registered == 1
    await runner.cleanup()


async def test_a_workflow_that_the_server_can_never_run_makes_its_model_unavailable(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    folder = tmp_path / "workflows"
    await asyncio.to_thread(write_workflow, folder, "mine", "snow")
    graph = json.loads(await asyncio.to_thread((folder / "mine.json").read_text))
    graph["8"]["inputs"]["samples"] = ["4", 2]  # this output is a VAE, not a latent
    await asyncio.to_thread((folder / "mine.json").write_text, json.dumps(graph))
    async with simulated() as server, ours(start_proxy, server, workflows_dir=folder) as proxy:
        status, body = await generate(proxy, model="mine")
        assert (status, body["error"]["code"]) == (400, "model_unavailable")


async def test_an_order_for_a_removed_checkpoint_is_refused_as_model_unavailable(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with contextlib.AsyncExitStack() as before:
        both = ComfyUIOptions(seconds=0.0, checkpoints=f"{CHECKPOINT},b.safetensors")
        running = await before.enter_async_context(serve_comfyui_simulator(both))
        async with start_proxy(upstream="comfyui", comfyui_url=running.url) as proxy:
            await knows_models(proxy)
            await before.aclose()
            one = ComfyUIOptions(seconds=0.0, checkpoints="b.safetensors")
            async with serve_comfyui_simulator(one, listen(running.host, running.port)):
                for _ in range(2):  # the second order is refused without a call to ComfyUI
                    status, body = await generate(proxy, model=f"{MODEL}/{CHECKPOINT}")
                    assert body["error"]["code"] == "model_unavailable", (status, body)
                assert (await generate(proxy, model=f"{MODEL}/b.safetensors"))[0] == 200
    assert "CheckpointLoaderSimple.ckpt_name: value_not_in_list" in caplog.text


async def test_a_new_checkpoint_on_a_server_soon_becomes_a_model(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.backend_keeping.discovery.RETRY_SECONDS", 0.1)
    monkeypatch.setattr("sora_proxy.upstream.comfyui.servers.ASK_SECONDS", 0.1)
    async with contextlib.AsyncExitStack() as before:
        running = await before.enter_async_context(serve_comfyui_simulator(ComfyUIOptions(checkpoints=CHECKPOINT)))
        async with start_proxy(upstream="comfyui", comfyui_url=running.url) as proxy:
            await knows_models(proxy)
            await before.aclose()
            both = ComfyUIOptions(seconds=0.0, checkpoints=f"{CHECKPOINT},b.safetensors")
            async with serve_comfyui_simulator(both, listen(running.host, running.port)):

                async def made() -> bool:
                    return (await generate(proxy, model=f"{MODEL}/b.safetensors"))[0] == 200

                await eventually(made)


@pytest.mark.parametrize("login", ["Basic dXNlcjpwYXNz", "Bearer pass"])
async def test_calls_and_sockets_send_the_login_for_a_reverse_proxy(start_proxy: StartProxy, login: str) -> None:
    async with simulated(user="user", password="pass") as server:
        headers = {"authorization": login}
        async with ours(start_proxy, server, comfyui_extra_headers=json.dumps(headers)) as proxy:
            assert (await edit(proxy, {"image": png("red")}))[0] == 200
        stats = await server.stats()
    assert stats["sockets"]["opened"] == 1
    assert "401" not in stats["answers"]


async def test_a_server_is_out_of_service_without_the_login_for_its_proxy(start_proxy: StartProxy) -> None:
    async with simulated(user="user", password="pass") as server, start_proxy(**in_front_of(server)) as proxy:
        status, body = await generate(proxy)
        assert status == 503, body


# --- Images in and out -----------------------------------------------------------------------------------------------


@versions
async def test_each_comfyui_version_makes_images_from_prompts_and_references(
    start_proxy: StartProxy, version: str
) -> None:
    async with simulated(version) as server, ours(start_proxy, server) as proxy:
        status, body = await generate(proxy)
        assert (status, corner(body)) == (200, colour_by("a red fox"))
        status, body = await generate(proxy, n=3)
        assert (status, len(body["data"])) == (200, 3)
        status, body = await edit(proxy, {"image": png("blue")})
        assert (status, corner(body)) == (200, (0, 0, 255))


async def test_images_contain_neither_the_prompt_nor_the_graph(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        _, by_bytes = await generate(proxy, "a secret wish")
        _, by_link = await generate(proxy, "a secret wish", response_format="url")
        async with proxy.client.get(by_link["data"][0]["url"]) as answer:
            contents = [base64.b64decode(by_bytes["data"][0]["b64_json"]), await answer.read()]
        (submit, *_) = await submitted(server)
        entry = await server.ended(submit["prompt_id"])
        assert b"a secret wish" in await server.image(entry)
    for content in contents:
        assert b"secret" not in content
        assert b"class_type" not in content
        assert colour_of(content) == colour_by("a secret wish")


async def test_two_clients_whose_files_have_the_same_name_get_their_own_images(start_proxy: StartProxy) -> None:
    async with simulated(seconds=0.1) as server, ours(start_proxy, server) as proxy:
        colours = {"red": (255, 0, 0), "blue": (0, 0, 255)}
        edits = await asyncio.gather(*(edit(proxy, {"image": png(colour)}) for colour in colours))
        uploads = (await server.stats())["uploads"]
    assert [(status, corner(body)) for status, body in edits] == [(200, colour) for colour in colours.values()]
    assert len({each["name"] for each in uploads}) == 2
    assert all(len(each["name"]) > 32 and each["subfolder"] == "sora_proxy" for each in uploads)


async def test_a_mask_is_sent_unless_the_model_takes_no_masks(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        status, _ = await edit(proxy, {"image": png("red"), "mask": png("white")})
        assert status == 200
        uploads = (await server.stats())["uploads"]
        assert [each["bytes"] for each in uploads] == [len(png("red")), len(png("white"))]
        (submit,) = await submitted(server)
        assert "SetLatentNoiseMask" in json.dumps(submit["prompt"])
        status, body = await edit(proxy, {"image": png("red"), "mask": png("white")}, model="upscale")
        assert (status, body["error"]["param"]) == (400, "mask")
        assert len(await submitted(server)) == 1


async def test_the_answer_contains_no_size_if_the_workflow_chooses_the_size(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        answers = [await edit(proxy, {"image": png("red", (32, 16))}, model=model) for model in (MODEL, "upscale")]
    bodies = [body for _, body in answers]
    assert [body["ordered_size"] for body in bodies] == ["64x64", None]
    assert ["size" in body["ignored_parameters"] for body in bodies] == [False, True]
    assert "size" not in bodies[1]


async def test_twenty_orders_of_two_clients_on_one_server_get_their_own_images(start_proxy: StartProxy) -> None:
    keys = [{"key": OTHER, "name": "other"}]
    async with simulated() as server, ours(start_proxy, server, client_keys=keys) as proxy:
        await server.fault("foreign_frames", times=20)
        orders = [(f"order {number}", (None, OTHER)[number % 2]) for number in range(20)]
        answers = await asyncio.gather(*(generate(proxy, prompt, key) for prompt, key in orders))
        assert (await server.stats())["sockets"]["displaced"] == 0
    assert [status for status, _ in answers] == [200] * 20
    assert [corner(body) for _, body in answers] == [colour_by(prompt) for prompt, _ in orders]


async def test_a_repeated_order_gets_a_new_file_and_does_not_need_the_earlier_file(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        bodies = []
        for _ in range(2):
            status, body = await generate(proxy)
            assert status == 200
            bodies.append(body)
        first, second = await submitted(server)
        files = [
            next(iter((await server.ended(each["prompt_id"]))["outputs"].values()))["images"]
            for each in (first, second)
        ]
        assert corner(bodies[0]) == corner(bodies[1])
        assert files[0] != files[1]  # the second order has its own file and does not need the first one
        await server.fault("view_gone")
        assert (await generate(proxy))[0] == 200


async def test_jobs_of_other_programs_on_the_server_are_not_stopped(start_proxy: StartProxy) -> None:
    async with simulated() as server, ours(start_proxy, server) as proxy:
        foreign = await server.submit(plain(), None)
        assert (await generate(proxy))[0] == 200
        assert (await server.ended(foreign))["status"]["completed"]


# --- Workflows -------------------------------------------------------------------------------------------------------


def write_workflow(folder: Path, name: str, negative: str) -> None:
    """Write a copy of the package's text-to-image workflow, with this negative prompt."""
    folder.mkdir(exist_ok=True)
    graph = json.loads((PACKAGED / f"{MODEL}.json").read_text())
    graph["7"]["inputs"]["text"] = negative
    (folder / f"{name}.json").write_text(json.dumps(graph))
    shutil.copy(PACKAGED / f"{MODEL}.map.json", folder / f"{name}.map.json")


async def test_changed_workflows_are_used_at_once_and_new_workflows_are_soon_listed(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.backend_keeping.discovery.RETRY_SECONDS", 0.1)
    folder = tmp_path / "workflows"
    await asyncio.to_thread(write_workflow, folder, "mine", "snow")
    async with simulated() as server, ours(start_proxy, server, workflows_dir=folder) as proxy:
        for negative in ("snow", "heavy rain"):
            await asyncio.to_thread(write_workflow, folder, "mine", negative)
            assert (await generate(proxy, model="mine"))[0] == 200
            assert (await submitted(server))[-1]["prompt"]["7"]["inputs"]["text"] == negative
        await asyncio.to_thread(write_workflow, folder, "another", "fog")

        async def listed() -> bool:
            return "another" in [each["id"] for each in (await proxy.get("/v1/models"))["data"]]

        await eventually(listed)
        assert (await generate(proxy, model="another"))[0] == 200
