"""A simulated ComfyUI, graphs for it, and a client of it."""

import contextlib
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from sora_proxy.simulator.comfyui import ComfyUIOptions, serve_comfyui_simulator
from tests.eventually import PATIENCE, eventually
from tests.simulated_images import Answer

VERSIONS = ("0.33.0", "0.8.0", "0.3.64")
CHECKPOINT = "a.safetensors"
UPSCALER = "b.pth"
STEP = 100.0  # seconds of a step, which ends when the test advances the clock
CLIENT = "gateway"

Graph = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Graph:
    return {"class_type": class_type, "inputs": inputs}


def plain(color: int = 255, **more: Any) -> Graph:
    """An image of one colour: the fastest graph."""
    given = {"width": 64, "height": 64, "batch_size": 1, **more}
    return {"1": node("EmptyImage", color=color, **given), "2": save("1")}


def save(other: str, prefix: str = "t") -> Graph:
    return node("SaveImage", images=[other, 0], filename_prefix=prefix)


def upscaled(color: int = 255) -> Graph:
    """A graph in which a node between two fast nodes reports the number of steps in the options."""
    return {
        "0": node("UpscaleModelLoader", model_name=UPSCALER),
        "1": node("EmptyImage", width=16, height=16, batch_size=1, color=color),
        "2": node("ImageUpscaleWithModel", upscale_model=["0", 0], image=["1", 0]),
        "3": save("2"),
    }


def painted(prompt: str = "a cat", seed: int = 1, *, side: int = 64, batch: int = 1, latent: str = "5") -> Graph:
    """Text to image, with a sampler of three steps."""
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": [latent, 0]}
    sampling = {"cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return {
        "3": node("KSampler", seed=seed, steps=3, **sampling, **links),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=side, height=side, batch_size=batch),
        "6": node("CLIPTextEncode", text=prompt, clip=["4", 1]),
        "7": node("CLIPTextEncode", text="", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": save("8", "gw/t2i"),
    }


def condensed(frame: aiohttp.WSMessage) -> str:
    """A summary of a frame in one line."""
    if frame.type is WSMsgType.BINARY:
        event, length = struct.unpack(">II", frame.data[:8])
        return f"preview 4 {json.loads(frame.data[8 : 8 + length])['node_id']}" if event == 4 else f"preview {event}"
    kind, data = frame.json()["type"], frame.json()["data"]
    match kind:
        case "status":
            return f"status {data['status']['exec_info']['queue_remaining']}" + (" sid" if "sid" in data else "")
        case "progress_state":
            latest = list(data["nodes"].values())[-1]
            counts = f"{latest['value']:g}/{latest['max']:g}"
            return f"state {latest['node_id']} {counts} {latest['state']} of {len(data['nodes'])}"
        case "executing":
            return f"executing {data['node']}" + ("" if "prompt_id" in data else " without prompt_id")
        case "progress":
            return f"progress {data['value']}/{data['max']} {data['node']}"
        case "executed":
            return f"executed {data['node']}"
        case "execution_cached":
            return f"execution_cached {','.join(each for each in data['nodes'] if each != '0')}"
    return str(kind)


@dataclass
class Listener:
    """A socket, and the frames that it has received."""

    socket: aiohttp.ClientWebSocketResponse
    frames: list[aiohttp.WSMessage]

    async def until(self, last: str) -> list[str]:
        """Receive frames up to the one with the summary `last`; returns the summaries of these frames."""
        heard: list[str] = []
        while not heard or heard[-1] != last:
            frame = await self.socket.receive(PATIENCE)
            assert frame.type in (WSMsgType.TEXT, WSMsgType.BINARY), (frame, heard)
            self.frames.append(frame)
            heard.append(condensed(frame))
        return heard

    async def rest(self) -> list[str]:
        """Summaries of the frames up to the end of the connection."""
        frames = [frame async for frame in self.socket]
        return [condensed(frame) for frame in frames]

    def said(self, kind: str) -> list[Any]:
        """The data of all events of a kind."""
        events = [frame.json() for frame in self.frames if frame.type is WSMsgType.TEXT]
        return [event["data"] for event in events if event["type"] == kind]

    @property
    def previews(self) -> list[bytes]:
        return [frame.data for frame in self.frames if frame.type is WSMsgType.BINARY]


@dataclass
class SimulatedComfyUI:
    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        async with self.session.request(method, self.url + path, **more) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, await answer.read())

    async def get(self, path: str) -> Any:
        return (await self.call("GET", path)).json

    async def submit(self, graph: Graph, client_id: str | None = CLIENT, **fields: Any) -> str:
        """Queue a job; returns its id."""
        client = {"client_id": client_id} if client_id is not None else {}
        answer = await self.call("POST", "/prompt", json={"prompt": graph, **client, **fields})
        assert answer.status == 200, answer.body
        prompt_id: str = answer.json["prompt_id"]
        return prompt_id

    async def ended(self, prompt_id: str) -> Any:
        """Wait for the entry of a job in the history; returns the entry."""

        async def look() -> Any:
            return (await self.get(f"/history/{prompt_id}")).get(prompt_id)

        return await eventually(look)

    async def done(self, graph: Graph, client_id: str | None = CLIENT, **fields: Any) -> Any:
        """Submit a job; returns its entry in the history."""
        return await self.ended(await self.submit(graph, client_id, **fields))

    async def image(self, entry: Any, number: int = 0) -> bytes:
        """One of the files that the last node of a job has saved."""
        shown = list(entry["outputs"].values())[-1]["images"][number]
        answer = await self.call("GET", "/view", params=shown)
        assert answer.status == 200
        return answer.body

    async def upload(self, content: bytes, name: str = "a.png", **fields: str) -> Answer:
        form = aiohttp.FormData(fields, quote_fields=False, default_to_multipart=True)
        form.add_field("image", content, filename=name, content_type="image/png")
        return await self.call("POST", "/upload/image", data=form)

    @contextlib.asynccontextmanager
    async def listener(self, name: str = CLIENT, *, metadata: bool = False) -> AsyncIterator[Listener]:
        """Connect a socket of the client `name`, which may ask for metadata with previews."""
        async with self.session.ws_connect(f"{self.url}/ws", params={"clientId": name}) as socket:
            if metadata:
                flags = {"supports_preview_metadata": True}
                await socket.send_json({"type": "feature_flags", "data": flags})
            yield Listener(socket, [])

    async def fault(self, fault: str, times: int = 1, **parameters: Any) -> None:
        order = [{"fault": fault, "times": times, **parameters}]
        answer = await self.call("POST", "/simulator/faults", json=order)
        assert answer.status == 201, answer.body

    async def advance(self, seconds: float = STEP) -> None:
        """Advance the clock of jobs by `seconds`; the default is one step."""
        assert (await self.call("POST", "/simulator/advance", json={"seconds": seconds})).status == 200

    async def restart(self, seconds: float = 0.0) -> None:
        assert (await self.call("POST", "/simulator/restart", json={"seconds": seconds})).status == 200

    async def stats(self) -> Any:
        return await self.get("/simulator/stats")

    async def wait_for(self, **facts: Any) -> None:
        facts = {"timeout": str(PATIENCE), **facts}
        assert (await self.call("GET", "/simulator/wait", params=facts)).status == 200

    async def finish(self) -> None:
        """Advance the clock until no job is left."""

        async def look() -> bool:
            await self.advance(100 * STEP)
            return bool((await self.get("/prompt"))["exec_info"]["queue_remaining"] == 0)

        await eventually(look)


@contextlib.asynccontextmanager
async def simulated(version: str = VERSIONS[0], **options: Any) -> AsyncIterator[SimulatedComfyUI]:
    """A simulated server of a version. By default, its jobs are quick."""
    given: dict[str, Any] = {"seconds": 0.0, "checkpoints": CHECKPOINT, "upscale_models": UPSCALER} | options
    async with (
        serve_comfyui_simulator(ComfyUIOptions(version=version, **given)) as running,
        aiohttp.ClientSession() as session,
    ):
        yield SimulatedComfyUI(running.url, session)
