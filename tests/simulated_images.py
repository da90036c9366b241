"""A simulated server with OpenAI's Images API, and a client of it."""

import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from PIL import Image

from sora_proxy.simulator.images import ImagesOptions, serve_images_simulator
from sora_proxy.simulator.images.catalogue import PROFILES
from tests.eventually import PATIENCE

KEY = "key-of-the-tests"


def png(colour: str = "red", size: tuple[int, int] = (32, 32)) -> bytes:
    """A small PNG."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def looked_at(content: bytes) -> tuple[str | None, tuple[int, int]]:
    """Format and size of an image; fails unless it can be read completely."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.format, image.size


def headers_of(profile: str) -> dict[str, str]:
    """The header with the key, if the profile does not use the authorization header."""
    name = next(iter(PROFILES[profile].keys.headers), "authorization")
    return {} if name == "authorization" else {name: KEY}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events."""
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [orjson.loads(line) for line in lines if line != b"[DONE]"]


@dataclass
class SimulatedImages:
    """`url` is the base URL of the profile, and `root` is the URL of the host."""

    url: str
    session: aiohttp.ClientSession

    @property
    def root(self) -> str:
        return "/".join(self.url.split("/")[:3])

    async def call(self, method: str, url: str, key: str | None = KEY, **more: Any) -> Answer:
        headers = ({"authorization": f"Bearer {key}"} if key else {}) | more.pop("headers", {})
        async with self.session.request(method, url, headers=headers, **more) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, await answer.read())

    async def generate(self, **fields: Any) -> Answer:
        return await self.call("POST", f"{self.url}/images/generations", json={"prompt": "a red fox"} | fields)

    async def edit(self, *files: tuple[str, bytes], content_type: str = "image/png", **fields: str) -> Answer:
        form = aiohttp.FormData({"prompt": "a red fox"} | fields, default_to_multipart=True)
        for name, content in files:
            form.add_field(name, content, filename=f"{name}.png", content_type=content_type)
        return await self.call("POST", f"{self.url}/images/edits", data=form)

    async def fault(self, fault: str, times: int = 1, **parameters: Any) -> None:
        answer = await self.call(
            "POST", f"{self.root}/simulator/faults", json=[{"fault": fault, "times": times, **parameters}]
        )
        assert answer.status == 201, answer.body

    async def stats(self) -> Any:
        return (await self.call("GET", f"{self.root}/simulator/stats")).json

    async def wait_for(self, **facts: Any) -> None:
        """Wait until the simulator has seen the given number of requests, or registered the given number of orders."""
        facts = {"timeout": str(PATIENCE), **facts}
        assert (await self.call("GET", f"{self.root}/simulator/wait", params=facts)).status == 200


@contextlib.asynccontextmanager
async def simulated(profile: str, **options: Any) -> AsyncIterator[SimulatedImages]:
    """A simulated server of a profile. By default, it answers at once."""
    given = {"seconds": 0.0, "partial_seconds": 0.0} | options
    async with (
        serve_images_simulator(ImagesOptions(profile=profile, **given)) as running,
        aiohttp.ClientSession() as session,
    ):
        yield SimulatedImages(running.url, session)
