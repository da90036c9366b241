"""The simulated ComfyUI: jobs from submit to result, stopping jobs, the cache, files, and restarts."""

import asyncio
import io
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.eventually import eventually
from tests.simulated_comfyui import (
    CHECKPOINT,
    CLIENT,
    STEP,
    VERSIONS,
    SimulatedComfyUI,
    node,
    painted,
    plain,
    save,
    simulated,
    upscaled,
)
from tests.simulated_images import looked_at, png

WITHOUT_JOBS = "0.3.64"


@pytest.fixture
async def server() -> AsyncIterator[SimulatedComfyUI]:
    async with simulated() as server:
        yield server


@pytest.fixture
async def slow() -> AsyncIterator[SimulatedComfyUI]:
    """A server whose slow nodes end when the test advances the clock."""
    async with simulated(steps=4, seconds=4 * STEP) as server:
        yield server


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def first_pixel(content: bytes) -> Any:
    return opened(content).convert("RGB").getpixel((0, 0))


def unique() -> str:
    return str(uuid.uuid4())


UNFINISHED = {"id", "status", "priority", "create_time", "outputs_count", "previewable_outputs_count"}
LISTED = UNFINISHED | {"execution_start_time", "execution_end_time"}
DETAILED = LISTED | {"outputs", "execution_status", "workflow"}


async def test_a_job_can_be_queried_from_its_submit_to_its_end(slow: SimulatedComfyUI) -> None:
    first, second = await slow.submit(upscaled(1)), await slow.submit(upscaled(2))
    queue = await slow.get("/queue")
    assert [[job[1] for job in queue[part]] for part in ("queue_running", "queue_pending")] == [[first], [second]]
    number, _, graph, extra_data, outputs = queue["queue_running"][0]
    assert (number, graph, outputs) == (0, upscaled(1), ["3"])
    assert set(extra_data) == {"client_id", "create_time"}
    assert await slow.get(f"/history/{first}") == {}
    for prompt_id, status in ((first, "in_progress"), (second, "pending")):
        job = await slow.get(f"/api/jobs/{prompt_id}")
        assert (set(job), job["status"]) == (UNFINISHED, status)

    await slow.finish()
    entry = await slow.ended(first)
    image = {"filename": "t_00001_.png", "subfolder": "", "type": "output"}
    assert entry["outputs"] == {"3": {"images": [image]}}
    assert entry["meta"] == {"3": {"node_id": "3", "display_node": "3", "parent_node": None, "real_node_id": "3"}}
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    job = await slow.get(f"/api/jobs/{first}")
    assert (set(job), job["status"]) == (DETAILED | {"preview_output"}, "completed")
    assert job["preview_output"] == {**image, "nodeId": "3", "mediaType": "images"}
    assert job["workflow"]["prompt"] == upscaled(1)
    assert (await slow.stats())["max_unfinished"] == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_images_match_the_graph_and_contain_the_graph_as_metadata(version: str) -> None:
    async with simulated(version) as server:
        graph = painted("a red fox", side=128, batch=2)
        workflow: dict[str, Any] = {"nodes": [], "links": []}
        entry = await server.done(graph, extra_data={"extra_pnginfo": {"workflow": workflow}})
        contents = [await server.image(entry, number) for number in (0, 1)]
        assert [looked_at(content) for content in contents] == [("PNG", (128, 128))] * 2
        texts = opened(contents[0]).info
        assert (json.loads(texts["prompt"]), json.loads(texts["workflow"])) == (graph, workflow)
        assert first_pixel(contents[0]) != first_pixel(contents[1])


async def test_images_differ_by_prompt_and_seed(server: SimulatedComfyUI) -> None:
    graphs = [painted("a fox"), painted("a fox", seed=2), painted("a hare")]
    contents = [await server.image(await server.done(graph)) for graph in graphs]
    assert len({first_pixel(content) for content in contents}) == 3
    assert first_pixel(await server.image(await server.done(painted("a fox")))) == first_pixel(contents[0])


INPAINTING = {
    "encoded": {"11": node("VAEEncode", pixels=["10", 0], vae=["4", 2])},
    "masked": {
        "12": node("VAEEncode", pixels=["10", 0], vae=["4", 2]),
        "13": node("LoadImageMask", image="gw/a.png", channel="alpha"),
        "11": node("SetLatentNoiseMask", samples=["12", 0], mask=["13", 0]),
    },
    "inpainted": {"11": node("VAEEncodeForInpaint", pixels=["10", 0], vae=["4", 2], mask=["10", 1], grow_mask_by=6)},
    "repeated": {
        "12": node("VAEEncode", pixels=["10", 0], vae=["4", 2]),
        "11": node("RepeatLatentBatch", samples=["12", 0], amount=2),
    },
}


@pytest.mark.parametrize("way", INPAINTING)
async def test_an_image_made_from_an_upload_shows_the_upload(server: SimulatedComfyUI, way: str) -> None:
    assert (await server.upload(png("lime", (48, 32)), subfolder="gw")).json["subfolder"] == "gw"
    graph = {**painted(latent="11"), "10": node("LoadImage", image="gw/a.png"), **INPAINTING[way]}
    content = await server.image(await server.done(graph))
    assert (first_pixel(content), opened(content).size) == ((0, 255, 0), (48, 32))


SCALED: list[tuple[dict[str, Any], tuple[int, int]]] = [
    (node("ImageScale", image=["1", 0], upscale_method="area", width=20, height=0, crop="disabled"), (20, 10)),
    (node("ImageScaleBy", image=["1", 0], upscale_method="lanczos", scale_by=1.5), (60, 30)),
    (node("ImageUpscaleWithModel", image=["1", 0], upscale_model=["4", 0]), (160, 80)),
    (node("ImageBlur", image=["1", 0], blur_radius=31, sigma=10.0), (40, 20)),
    (node("ImageInvert", image=["1", 0]), (40, 20)),
]


@pytest.mark.parametrize(("scaling", "size"), SCALED)
async def test_an_uploaded_image_is_scaled_as_the_graph_requests(
    server: SimulatedComfyUI, scaling: Any, size: tuple[int, int]
) -> None:
    await server.upload(png("blue", (40, 20)))
    graph = {"1": node("LoadImage", image="a.png"), "2": scaling, "3": save("2")}
    graph["4"] = node("UpscaleModelLoader", model_name="b.pth")
    content = await server.image(await server.done(graph))
    assert (first_pixel(content), opened(content).size) == ((0, 0, 255), size)


async def test_a_job_fails_if_its_input_file_is_not_an_image(server: SimulatedComfyUI) -> None:
    await server.upload(b"not an image")
    entry = await server.done({"1": node("LoadImage", image="a.png"), "2": save("1")})
    event, data = entry["status"]["messages"][-1]
    assert (event, data["node_type"]) == ("execution_error", "LoadImage")
    assert data["exception_type"] == "PIL.UnidentifiedImageError"


async def test_a_job_fails_if_its_file_name_points_outside_the_output_folder(server: SimulatedComfyUI) -> None:
    graph = plain()
    graph["2"] = save("1", "../../x")
    entry = await server.done(graph)
    assert entry["status"]["messages"][-1][1]["exception_type"] == "Exception"
    assert entry["outputs"] == {}


async def test_previews_are_temporary_files(server: SimulatedComfyUI) -> None:
    graph = {"1": plain(batch_size=2)["1"], "2": node("PreviewImage", images=["1", 0])}
    entry = await server.done(graph)
    assert [image["type"] for image in entry["outputs"]["2"]["images"]] == ["temp", "temp"]
    assert looked_at(await server.image(entry, 1)) == ("PNG", (64, 64))


# Stopping jobs.


async def test_a_waiting_job_that_is_deleted_leaves_no_trace(slow: SimulatedComfyUI) -> None:
    running, waiting = await slow.submit(upscaled(1)), await slow.submit(upscaled(2))
    await slow.call("POST", "/interrupt", json={"prompt_id": waiting})  # has no effect on a waiting job
    assert [job[1] for job in (await slow.get("/queue"))["queue_pending"]] == [waiting]
    await slow.call("POST", "/queue", json={"delete": [running, waiting]})  # has no effect on the running job
    queue = await slow.get("/queue")
    assert (len(queue["queue_running"]), queue["queue_pending"]) == (1, [])
    assert await slow.get(f"/history/{waiting}") == {}
    gone = await slow.call("GET", f"/api/jobs/{waiting}")
    assert (gone.status, gone.json) == (404, {"error": "Job not found"})
    stats = await slow.stats()
    assert (stats["deletes"], stats["interrupts"]) == ([running, waiting], [waiting])


@pytest.mark.parametrize(("version", "state"), [("0.33.0", "cancelled"), ("0.8.0", "failed")])
async def test_a_running_job_is_interrupted_between_two_steps(version: str, state: str) -> None:
    async with simulated(version, steps=4, seconds=4 * STEP) as server, server.listener() as listener:
        prompt_id = await server.submit(upscaled())
        await listener.until("executing 2")
        assert (await server.call("POST", "/interrupt", json={"prompt_id": prompt_id})).body == b""
        assert await server.get(f"/history/{prompt_id}") == {}
        await server.advance()
        entry = await server.ended(prompt_id)
        assert (entry["status"]["status_str"], entry["outputs"], entry["meta"]) == ("error", {}, {})
        event, data = entry["status"]["messages"][-1]
        assert event == "execution_interrupted"
        assert (data["node_id"], data["node_type"], data["executed"]) == ("2", "ImageUpscaleWithModel", ["1", "0"])
        assert (await server.get(f"/api/jobs/{prompt_id}"))["status"] == state


async def test_an_interrupt_without_a_running_job_does_not_affect_the_next_job(server: SimulatedComfyUI) -> None:
    assert (await server.call("POST", "/interrupt")).status == 200
    assert (await server.done(plain()))["status"]["completed"] is True


async def test_jobs_are_cancelled_by_their_ids(slow: SimulatedComfyUI) -> None:
    ids = [await slow.submit(upscaled(color)) for color in range(4)]

    async def cancelled(path: str, **more: Any) -> bool:
        found: bool = (await slow.call("POST", f"/api/jobs{path}", **more)).json["cancelled"]
        return found

    assert await cancelled(f"/{ids[1]}/cancel")
    assert not await cancelled(f"/{ids[1]}/cancel")
    assert await cancelled("/cancel", json={"job_ids": [ids[2], unique()]})
    assert [job[1] for job in (await slow.get("/queue"))["queue_pending"]] == [ids[3]]
    assert await cancelled(f"/{ids[0]}/cancel")
    await slow.finish()
    assert (await slow.get(f"/api/jobs/{ids[0]}"))["status"] == "cancelled"
    assert not await cancelled(f"/{ids[0]}/cancel")
    assert (await slow.ended(ids[3]))["status"]["completed"] is True


async def test_jobs_run_in_the_order_of_their_numbers(slow: SimulatedComfyUI) -> None:
    await slow.submit(upscaled(0))
    bodies: list[dict[str, Any]] = [{}, {"front": True}, {"number": 0.5}]
    ids = [await slow.submit(upscaled(color), **body) for color, body in enumerate(bodies, 1)]
    pending = (await slow.get("/queue"))["queue_pending"]
    assert [job[1] for job in sorted(pending, key=lambda job: job[0])] == [ids[1], ids[2], ids[0]]
    await slow.finish()
    assert [*await slow.get("/history")][1:] == [ids[1], ids[2], ids[0]]
    await slow.call("POST", "/queue", json={"clear": True})


async def test_two_submits_with_the_same_id_are_two_jobs(slow: SimulatedComfyUI) -> None:
    prompt_id = unique()
    async with slow.listener() as listener:
        for color in (1, 2):
            await slow.submit(upscaled(color), prompt_id=prompt_id)
        assert [job["id"] for job in (await slow.get("/api/jobs"))["jobs"]] == [prompt_id] * 2
        await listener.until("executing 2")
        await slow.advance(4 * STEP)
        await listener.until("executing None")
        assert (await slow.get(f"/api/jobs/{prompt_id}"))["status"] == "completed"
        assert [job[1] for job in (await slow.get("/queue"))["queue_running"]] == [prompt_id]
        await slow.finish()
        entries = await slow.get("/history")
        assert [entry["prompt"][2]["1"]["inputs"]["color"] for entry in entries.values()] == [2]


# The cache.


@pytest.mark.parametrize(("version", "has_outputs"), [("0.33.0", True), ("0.8.0", False), ("0.3.64", True)])
async def test_the_result_of_an_unchanged_graph_comes_from_the_cache(version: str, *, has_outputs: bool) -> None:
    async with simulated(version) as server:
        first = await server.done(plain())
        again = await server.done(plain())
        assert again["outputs"] == first["outputs"]
        assert again["status"]["messages"][1][1]["nodes"] == ["1", "2"]
        anonymous = await server.done(plain(), None)
        assert anonymous["outputs"] == (first["outputs"] if has_outputs else {})
        assert anonymous["status"]["completed"] is True


async def test_a_changed_input_file_is_not_taken_from_the_cache(server: SimulatedComfyUI) -> None:
    graph = {"1": node("LoadImage", image="a.png"), "2": save("1")}
    for colour in ("red", "blue"):
        await server.upload(png(colour), overwrite="true")
        content = await server.image(await server.done(graph))
        assert first_pixel(content) == first_pixel(png(colour))


# Lists.


async def test_jobs_are_listed_in_pages(server: SimulatedComfyUI) -> None:
    ids = [await server.submit(plain(color)) for color in range(3)]
    await server.ended(ids[-1])
    page = await server.get("/api/jobs?limit=2&sort_by=created_at&sort_order=asc")
    assert [(job["id"], set(job)) for job in page["jobs"]] == [
        (prompt_id, LISTED | {"preview_output"}) for prompt_id in ids[:2]
    ]
    assert page["pagination"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}
    page = await server.get("/api/jobs?status=completed,failed&offset=2&sort_order=asc")
    assert [job["id"] for job in page["jobs"]] == ids[2:]
    assert (await server.get("/api/jobs?status=pending"))["jobs"] == []
    for query in ("sort_by=x", "sort_order=x", "offset=-1"):
        assert (await server.call("GET", f"/api/jobs?{query}")).status == 400


async def test_the_history_lists_the_newest_jobs_unless_an_offset_is_given(server: SimulatedComfyUI) -> None:
    ids = [await server.submit(plain(color)) for color in range(3)]
    await server.ended(ids[-1])
    for query, expected in (
        ("max_items=2", ids[1:]),
        ("max_items=2&offset=0", ids[:2]),
        ("", ids),
        ("offset=1", ids[1:]),
    ):
        assert list(await server.get(f"/history?{query}")) == expected
    await server.call("POST", "/history", json={"delete": ids[:1]})
    assert (await server.call("GET", f"/api/jobs/{ids[0]}")).status == 404
    await server.call("POST", "/history", json={"clear": True})
    assert await server.get("/history") == {}


# Files.


async def test_an_upload_replaces_a_file_only_if_overwriting_is_requested(server: SimulatedComfyUI) -> None:
    red, blue = png("red"), png("blue")
    names = [(await server.upload(content)).json["name"] for content in (red, red, blue, blue)]
    assert names == ["a.png", "a.png", "a (1).png", "a (1).png"]
    assert (await server.upload(blue, overwrite="1")).json["name"] == "a.png"
    assert (await server.call("GET", "/view?filename=a.png&type=input")).body == blue
    assert len((await server.stats())["uploads"]) == 5


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("a.png", {"subfolder": "../x"}, 400),
        ("../a.png", {}, 400),
        ("a.png", {"type": "nosuch"}, 500),
        ("a" * 300, {}, 500),
        ("ä b.png", {"subfolder": "gw/2026"}, 200),
    ],
)
async def test_uploads_are_refused_if_their_names_or_folders_are_unusable(
    server: SimulatedComfyUI, name: str, fields: dict[str, str], status: int
) -> None:
    answer = await server.upload(png(), name, **fields)
    assert answer.status == status
    if status == 200:
        assert answer.json == {"name": name, "subfolder": "gw/2026", "type": "input"}


async def test_an_upload_without_a_file_is_refused(server: SimulatedComfyUI) -> None:
    form = aiohttp.FormData({"image": "a text"}, default_to_multipart=True)
    assert (await server.call("POST", "/upload/image", data=form)).status == 400


async def test_files_can_be_viewed_whole_and_in_parts(server: SimulatedComfyUI) -> None:
    graph = plain()
    graph["2"] = save("1", "gw/inv")
    entry = await server.done(graph)
    whole = await server.call("GET", "/view?filename=inv_00001_.png&subfolder=gw&type=output")
    assert {name: whole.headers[name] for name in ("content-type", "x-content-type-options", "accept-ranges")} == {
        "content-type": "image/png",
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
    }
    assert whole.headers["content-disposition"] == 'filename="inv_00001_.png"'
    assert "etag" in whole.headers
    path = "/api/view?filename=inv_00001_.png&subfolder=gw"
    part = await server.call("GET", path, headers={"Range": "bytes=0-9"})
    assert (part.status, part.body) == (206, whole.body[:10])
    assert part.headers["content-range"] == f"bytes 0-9/{len(whole.body)}"
    assert (await server.call("GET", path, headers={"Range": "bytes=99999999-"})).status == 416
    small = await server.call("GET", f"{path}&preview=webp;90")
    assert (small.headers["content-type"], looked_at(small.body)) == ("image/webp", ("WEBP", (64, 64)))
    bare = await server.call("GET", f"{path}&channel=rgb")
    assert "prompt" not in opened(bare.body).info
    assert await server.image(entry) == whole.body
    assert len((await server.stats())["views"]) == 6


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=nosuch.png&type=output", 404),
        ("filename=t_00001_.png&subfolder=../..", 403),
        ("filename=../x.png", 400),
        ("filename=/etc/passwd", 400),
        ("filename=t_00001_.png&type=weird", 400),
    ],
)
async def test_refused_requests_to_view_a_file_have_an_empty_answer(
    server: SimulatedComfyUI, query: str, status: int
) -> None:
    await server.done(plain())
    answer = await server.call("GET", f"/view?{query}")
    assert (answer.status, answer.body) == (status, b"")


# Facts about the server, and access.


async def test_node_classes_and_models_are_listed(server: SimulatedComfyUI) -> None:
    classes = await server.get("/object_info")
    assert len(classes) >= 20
    assert classes["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == [CHECKPOINT]
    model = classes["UpscaleModelLoader"]["input"]["required"]["model_name"]
    assert (model[0], model[1]["options"]) == ("COMBO", ["b.pth"])
    assert await server.get("/models") == ["checkpoints", "loras", "upscale_models"]
    await server.upload(png(), "seen.png")
    image = (await server.get("/object_info/LoadImage"))["LoadImage"]["input"]["required"]["image"]
    assert image == [["seen.png"], {"image_upload": True}]


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("0.33.0", {"Origin": "http://elsewhere.test"}, 403),
        ("0.33.0", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("0.8.0", {"Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
async def test_requests_from_pages_of_other_sites_are_refused(
    version: str, headers: dict[str, str], status: int
) -> None:
    async with simulated(version) as server:
        assert (await server.call("GET", "/queue", headers=headers)).status == status
        own = {"Origin": server.url}
        assert (await server.call("GET", "/queue", headers=own)).status == 200


async def test_a_login_can_be_required_for_calls_and_sockets() -> None:
    async with simulated(user="gateway", password="secret") as server:
        refused = await server.call("GET", "/queue")
        assert (refused.status, refused.headers["content-type"]) == (401, "text/html")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await server.session.ws_connect(f"{server.url}/ws")
        basic = aiohttp.encode_basic_auth("gateway", "secret")
        for header in (basic, "Bearer secret"):
            headers = {"Authorization": header}
            assert (await server.call("GET", "/queue", headers=headers)).status == 200
            async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as socket:
                assert (await socket.receive_json())["type"] == "status"


async def test_sockets_ignore_unreadable_messages(server: SimulatedComfyUI) -> None:
    async with server.listener("") as listener:
        await listener.socket.send_str("{")
        await listener.until("status 0 sid")
        assert len(listener.said("status")[0]["sid"]) == 32
        await server.done(plain(), None)
        await listener.until("status 0")


async def test_a_socket_receives_previews_only_if_the_job_requests_previews(server: SimulatedComfyUI) -> None:
    async with server.listener() as listener:
        await server.submit(painted(), extra_data={"preview_method": "auto"})
        heard = await listener.until("executing None")
        assert "preview 1" in heard
        assert looked_at(listener.previews[-1][8:])[0] == "JPEG"
        await server.submit(painted(seed=2))
        assert not [line for line in await listener.until("executing None") if line.startswith("preview")]


# Restarts.


async def test_a_killed_server_closes_its_sockets_and_refuses_connections(slow: SimulatedComfyUI) -> None:
    await slow.submit(upscaled(1))
    await slow.submit(upscaled(2))
    async with slow.listener() as listener:
        await listener.until("status 2 sid")
        await slow.restart(seconds=STEP)
        await listener.rest()
        assert listener.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    with pytest.raises(aiohttp.ClientConnectorError):
        await slow.get("/queue")


async def test_a_restarted_server_still_has_its_files_but_not_its_jobs(slow: SimulatedComfyUI) -> None:
    entry = await slow.done(plain())
    previewed = await slow.done({**plain(), "2": node("PreviewImage", images=["1", 0])})
    await slow.submit(upscaled(1))
    await slow.restart()

    async def back() -> bool:
        try:
            queue = await slow.get("/queue")
        except aiohttp.ClientConnectionError:
            return False
        assert queue == {"queue_running": [], "queue_pending": []}
        return True

    await eventually(back)
    assert await slow.get("/history") == {}
    assert looked_at(await slow.image(entry))
    temporary = previewed["outputs"]["2"]["images"][0]
    assert (await slow.call("GET", "/view", params=temporary)).status == 404
    again = await slow.done(plain())
    assert again["prompt"][0] == 0  # numbers start again at 0, and the cache is empty
    assert again["outputs"]["2"]["images"][0]["filename"] == "t_00002_.png"
    assert (await slow.stats())["restarts"] == 1


async def test_a_reset_returns_the_simulator_to_its_initial_state(slow: SimulatedComfyUI) -> None:
    entry = await slow.done(plain())
    await slow.submit(upscaled(1))
    await slow.call("POST", "/simulator/reset")
    assert await slow.get("/queue") == {"queue_running": [], "queue_pending": []}
    assert (await slow.call("GET", "/view", params=entry["outputs"]["2"]["images"][0])).status == 404
    stats = await slow.stats()
    assert (stats["submits"], stats["registered"], stats["requests"]) == ([], 0, {"queue": 1, "view": 1})
    assert stats["sockets"] == {"open": 0, "names": [], "opened": 0, "displaced": 0}
    assert (await slow.done(plain()))["status"]["completed"] is True


async def test_the_idle_time_between_jobs_is_measured(slow: SimulatedComfyUI) -> None:
    await slow.done(plain(1))
    await slow.advance(1000)
    await slow.done(plain(2))
    assert 1000 <= (await slow.stats())["idle_seconds"] < 2000


@pytest.mark.parametrize("seconds", [-1, "1", True, 1e9])
async def test_an_invalid_request_to_advance_the_clock_is_refused(server: SimulatedComfyUI, seconds: Any) -> None:
    assert (await server.call("POST", "/simulator/advance", json={"seconds": seconds})).status == 400


async def test_jobs_submitted_at_once_run_one_after_the_other(server: SimulatedComfyUI) -> None:
    ids = await asyncio.gather(*(server.submit(plain(color), f"{CLIENT}-{color}") for color in range(20)))
    entries = await asyncio.gather(*map(server.ended, ids))
    times = sorted(tuple(entry["status"]["messages"][place][1]["timestamp"] for place in (0, -1)) for entry in entries)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    names = {entry["outputs"]["2"]["images"][0]["filename"] for entry in entries}
    assert len(names) == 20
