"""The simulated ComfyUI, judged by programs that others wrote for the real one.

Two programs by ComfyUI's maker are from PyPI: comfy-api-proxy chooses ids for jobs and follows the jobs on its socket,
and comfy-sdk sends orders to the proxy. One program is from npm: @stable-canvas/comfyui-client.
"""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import CHECKOUT, clean_environment
from tests.eventually import PATIENCE, eventually
from tests.programs.conftest import free_port
from tests.simulated_comfyui import STEP, SimulatedComfyUI, node, painted, save, simulated
from tests.simulated_images import looked_at, png

COMFY = CHECKOUT / ".programs" / "comfy" / "bin"
NPM = CHECKOUT / "requirements" / "node-comfyui"
TOKEN = "token-of-the-proxy"

PYTHON_PREPARE = """
import base64, json, sys, time
import comfy_sdk
graph, more = map(json.loads, sys.argv[1:])
client = comfy_sdk.Comfy()
submit = lambda graph: client.submit(client.workflows.from_json(graph))
show = lambda **facts: print(json.dumps(facts), flush=True)

def end_of(job):
    # The proxy reads the history before the queue. A job that ends in between seems to be lost until the next refresh.
    while job.refresh().status not in ("succeeded", "failed", "canceled"):
        time.sleep(0.05)
    return job.status
"""
NODE_PREPARE = """
import { Client } from "@stable-canvas/comfyui-client";
import WebSocket from "ws";
const [graph, api_host] = process.argv.slice(1).map(text => JSON.parse(text));
const client = new Client({ api_host, clientId: "npm", WebSocket, fetch });
const show = facts => console.log(JSON.stringify(facts));
client.connect();
"""


@pytest.fixture
async def server() -> AsyncIterator[SimulatedComfyUI]:
    async with simulated(steps=3, seconds=0.5) as server:
        yield server


@pytest.fixture
async def slow() -> AsyncIterator[SimulatedComfyUI]:
    async with simulated(steps=3, seconds=3 * STEP) as server:
        yield server


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def facts_of(*command: str, folder: Path, **variables: str) -> list[dict[str, Any]]:
    """The facts that a program prints, one per line. The program must exit with status 0."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=clean_environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            shown, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()
    return [json.loads(line) for line in shown.splitlines()]


class Sdk:
    """comfy-sdk, with comfy-api-proxy between it and a server."""

    def __init__(self, server: SimulatedComfyUI, folder: Path) -> None:
        self.server, self.folder, self.url = server, folder, f"http://127.0.0.1:{free_port()}"

    async def facts(self, script: str, graph: Any, more: Any = None) -> list[dict[str, Any]]:
        variables = {"COMFY_BASE_URL": self.url, "COMFY_API_KEY": TOKEN}
        command = (str(COMFY / "python"), "-c", PYTHON_PREPARE + script, json.dumps(graph), json.dumps(more))
        proxy = await asyncio.create_subprocess_exec(
            str(COMFY / "comfy-api-proxy"),
            "run",
            *("--comfyui", self.server.url, "--port", self.url.rpartition(":")[2]),
            *("--token", TOKEN, "--state-dir", str(self.folder / "state")),
            cwd=self.folder,
            env=clean_environment(),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await eventually(self._answers)
            return await facts_of(*command, folder=self.folder, **variables)
        finally:
            proxy.terminate()
            await proxy.wait()

    async def _answers(self) -> bool:
        try:
            async with self.server.session.get(f"{self.url}/api/v2/jobs") as answer:
                return answer.status == 401
        except aiohttp.ClientConnectionError:
            return False


@pytest.fixture
def sdk(server: SimulatedComfyUI, tmp_path: Path) -> Sdk:
    if not (COMFY / "comfy-api-proxy").exists():
        pytest.fail("comfy-api-proxy is not installed; make test-programs installs it", pytrace=False)
    return Sdk(server, tmp_path)


@pytest.fixture
def npm() -> None:
    if shutil.which("node") is None or not (NPM / "node_modules").exists():
        pytest.skip("Node or the client from npm is not installed")


async def node_facts(script: str, graph: Any, server: SimulatedComfyUI) -> list[dict[str, Any]]:
    """The facts that a script with a `client` from npm prints."""
    arguments = [json.dumps(each) for each in (graph, server.url.removeprefix("http://"))]
    script = f"{NODE_PREPARE}\n{script}\nclient.close();"
    return await facts_of("node", "--input-type=module", "-e", script, *arguments, folder=NPM)


async def test_the_sdk_of_comfyuis_maker_follows_a_job_to_its_image(server: SimulatedComfyUI, sdk: Sdk) -> None:
    script = """
job = submit(graph)
for event in job.events():
    if isinstance(event, comfy_sdk.Progress):
        show(step=event.step, value=event.value)
show(status=end_of(job), image=base64.b64encode(job.outputs[0].to_bytes()).decode())
"""
    *progress, last = await sdk.facts(script, painted())
    values = [each["value"] for each in progress]
    assert values == sorted(values)
    assert {1, 2} & {each["step"] for each in progress}
    assert last["status"] == "succeeded"
    (submit,) = (await server.stats())["submits"]
    entry = (await server.get("/history"))[submit["prompt_id"]]
    assert submit["client_id"]
    content = await server.image(entry)
    assert (looked_at(content), last["image"]) == (("PNG", (64, 64)), encoded(content))


async def test_the_sdk_of_comfyuis_maker_uploads_an_image_for_a_job(server: SimulatedComfyUI, sdk: Sdk) -> None:
    script = """
graph["1"]["inputs"]["image"] = client.assets.from_bytes(base64.b64decode(more), filename="seen.png")
show(status=end_of(submit(graph)))
"""
    graph = {"1": node("LoadImage", image=""), "2": save("1")}
    assert await sdk.facts(script, graph, encoded(png("lime"))) == [{"status": "succeeded"}]
    (entry,) = (await server.get("/history")).values()
    assert looked_at(await server.image(entry)) == ("PNG", (32, 32))


async def test_the_sdk_of_comfyuis_maker_cancels_a_job_and_reports_refused_and_failed_jobs(
    server: SimulatedComfyUI, sdk: Sdk
) -> None:
    script = """
job = submit(graph)
for event in job.events():
    if isinstance(event, comfy_sdk.Progress) and event.step:
        job.cancel()
        break
show(status=end_of(job))
try:
    submit(more)
except comfy_sdk.InvalidWorkflow as error:
    show(refused=str(error))
graph["6"]["inputs"]["text"] = "a dragon"
show(status=end_of(submit(graph)))
"""
    await server.fault("execution_error", prompt="dragon")
    facts = await sdk.facts(script, painted(), {"1": node("NoSuchNode")})
    assert [each.get("status") for each in facts] == ["canceled", None, "failed"]
    assert "NoSuchNode" in facts[1]["refused"]
    assert (await server.stats())["registered"] == 2


@pytest.mark.usefixtures("npm")
async def test_a_client_from_npm_follows_a_job_to_its_image(server: SimulatedComfyUI) -> None:
    script = """
show({ models: await client.getSDModels(), version: (await client.getSystemStats()).system.comfyui_version });
const result = await client.enqueue(graph, { progress: ({ value, max }) => show({ value, max }) });
show({ id: result.prompt_id, image: result.images[0].data });
"""
    first, *progress, last = await node_facts(script, painted(), server)
    assert first == {"models": ["a.safetensors"], "version": "0.33.0"}
    assert progress == [{"value": value, "max": 3} for value in (1, 2, 3)]
    entry = (await server.get("/history"))[last["id"]]
    answer = await server.call("GET", last["image"].removeprefix(server.url))
    assert answer.body == await server.image(entry)


@pytest.mark.usefixtures("npm")
async def test_a_client_from_npm_interrupts_a_job(slow: SimulatedComfyUI) -> None:
    script = """
const { prompt_id } = await client.queuePrompt(0, { prompt: graph, workflow: {} });
while (!(await client.getPromptStatus(prompt_id)).running);
await client.interrupt(prompt_id);
const { Pending } = await client.getQueue();
await client.waitForPrompt(prompt_id, 20);
show({ waiting: Pending.length, status: await client.getPromptStatus(prompt_id) });
"""

    async def finish() -> None:
        await slow.wait_for(endpoint="interrupt")
        await slow.finish()

    async with asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(node_facts(script, painted(), slow))
        tasks.create_task(finish())
    status = {"running": False, "pending": False, "done": True}
    assert ended.result() == [{"waiting": 0, "status": status}]
    (entry,) = (await slow.get("/history")).values()
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
