"""The official SDKs place orders through each API of the program, which sends them to a simulated OpenAI server."""

import base64
import hashlib
import io
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses.response_output_item import ImageGenerationCall
from PIL import Image

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT, running_program, running_simulator
from tests.e2e.node import run_node

MODEL = "gpt-image-1.5"
FOX = CHECKOUT / "docs" / "fox.png"


@dataclass
class Simulated:
    """A simulated OpenAI server."""

    url: str

    def new_orders(self) -> list[dict[str, Any]]:
        """The orders that the server has received since the last call of this method."""
        root = self.url.removesuffix("/v1")
        with urllib.request.urlopen(f"{root}/simulator/stats") as answer:
            requests = json.loads(answer.read())["requests"]
        with urllib.request.urlopen(f"{root}/simulator/reset", b"") as answer:
            assert answer.status == 200
        return [each for each in requests if each["endpoint"] in ("generations", "edits")]


@pytest.fixture(scope="module")
def server() -> Iterator[Simulated]:
    options = ("--profile", "openai", "--seconds", "0.3", "--partial-seconds", "0.05", "--key", "sk-upstream")
    with running_simulator("--wire", "images", *options) as url:
        yield Simulated(url)


@pytest.fixture(scope="module")
def url(server: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"UPSTREAM": "openai", "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-upstream"}
    settings |= {"OPENAI_PROFILE": "openai", "API_AUTH_TOKEN": CLIENT_KEY}
    with running_program(tmp_path_factory.mktemp("program"), **settings) as program:
        yield f"{program.url}/v1"


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key=CLIENT_KEY, max_retries=0, _strict_response_validation=True) as client:
        yield client


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def looked_at(encoded: str | None) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(base64.b64decode(encoded or "", validate=True))) as image:
        image.load()
        return image.format, image.size


def test_a_chat_returns_an_image_with_and_without_streaming(client: OpenAI, server: Simulated) -> None:
    server.new_orders()
    whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a red fox"}])
    assert (whole.choices[0].message.content or "").startswith("![a red fox](http")
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 1000  # tokens, as OpenAI counts them
    stream = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "a red fox"}], stream=True, n=1
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text.startswith("![a red fox](http")
    assert len(server.new_orders()) == 2


def test_images_arrive_without_streaming_or_as_a_stream_with_partial_images(client: OpenAI, server: Simulated) -> None:
    server.new_orders()
    answer = client.images.generate(prompt="a red fox", model=MODEL, n=2, size="1536x1024", quality="low")
    assert answer.data is not None
    assert [looked_at(image.b64_json) for image in answer.data] == [("PNG", (1536, 1024))] * 2
    assert answer.usage is not None
    assert answer.usage.output_tokens > 100
    (order,) = server.new_orders()
    assert (order["fields"]["n"], order["fields"]["quality"]) == (2, "low")

    events = list(client.images.generate(prompt="a red fox", model=MODEL, n=2, stream=True, partial_images=2))
    kinds = [event.type.removeprefix("image_generation.") for event in events]
    assert kinds[-2:] == ["completed", "completed"]
    assert kinds.count("partial_image") == 4
    assert {looked_at(event.b64_json)[0] for event in events} == {"PNG"}
    orders = server.new_orders()
    assert [(order["fields"]["stream"], order["fields"].get("n", 1)) for order in orders] == [(True, 1)] * 2


def test_edits_send_two_references_and_a_mask_with_and_without_streaming(client: OpenAI, server: Simulated) -> None:
    references, mask = [png("red"), png("blue")], png("white")
    server.new_orders()
    answer = client.images.edit(image=references, mask=mask, prompt="at night", model=MODEL, size="1024x1024")
    assert answer.data is not None
    assert looked_at(answer.data[0].b64_json) == ("PNG", (1024, 1024))
    stream = client.images.edit(
        image=references, mask=mask, prompt="at night", model=MODEL, stream=True, partial_images=1
    )
    assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]
    digests = [hashlib.sha256(content).hexdigest() for content in (*references, mask)]
    for order in server.new_orders():
        assert order["endpoint"] == "edits"
        assert [(file["type"], file["sha256"]) for file in order["files"]] == [("image/png", each) for each in digests]


def test_responses_arrive_without_streaming_or_as_a_stream_with_partial_images(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="a red fox", tools=[{"type": "image_generation"}])
    assert isinstance(response.output[0], ImageGenerationCall)
    assert looked_at(response.output[0].result)[0] == "PNG"
    assert response.usage is not None
    assert response.usage.output_tokens > 100
    stream = client.responses.create(
        model=MODEL, input="a red fox", tools=[{"type": "image_generation", "partial_images": 2}], stream=True
    )
    kinds = [event.type for event in stream]
    assert kinds.count("response.image_generation_call.partial_image") == 2
    assert kinds[-1] == "response.completed"


def test_the_node_sdk_orders_images_through_each_api(url: str, server: Simulated, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("red", "blue", "white")}
    for name, path in files.items():
        path.write_bytes(png(name))
    server.new_orders()
    run_node(
        f"const FILES = {json.dumps([str(path) for path in files.values()])}; const model = {MODEL!r};"
        r"""
import fs from "node:fs";
const start = (encoded) => Buffer.from(encoded, "base64").subarray(0, 4).toString("latin1");
async function collected(stream) {
    const events = [];
    for await (const event of await stream) events.push(event);
    return events;
}
const prompt = "a red fox", messages = [{role: "user", content: prompt}];
const [image, mask] = [FILES.slice(0, 2).map((file) => fs.createReadStream(file)), fs.createReadStream(FILES[2])];
const tools = [{type: "image_generation", partial_images: 2}];
const [chat, chunks, images, events, edit, response, parts] = await Promise.all([
    client.chat.completions.create({model, messages}),
    collected(client.chat.completions.create({model, messages, stream: true})),
    client.images.generate({model, prompt, n: 2}),
    collected(client.images.generate({model, prompt, n: 2, stream: true, partial_images: 2})),
    client.images.edit({model, prompt, image, mask}),
    client.responses.create({model, input: prompt, tools}),
    collected(client.responses.create({model, input: prompt, tools, stream: true})),
]);
assert.match(chat.choices[0].message.content, /^!\[a red fox\]/);
assert.match(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), /^!\[a red fox\]/);
assert.deepEqual(images.data.map((each) => start(each.b64_json)), ["\x89PNG", "\x89PNG"]);
const kinds = events.map((event) => event.type);
assert.deepEqual(kinds.slice(-2), ["image_generation.completed", "image_generation.completed"]);
assert.equal(kinds.filter((kind) => kind === "image_generation.partial_image").length, 4);
assert.equal(start(edit.data[0].b64_json), "\x89PNG");
assert.equal(start(response.output[0].result), "\x89PNG");
assert.equal(parts.filter((part) => part.type === "response.image_generation_call.partial_image").length, 2);
assert.equal(parts.at(-1).type, "response.completed");
""",
        url,
    )
    (edit,) = [order for order in server.new_orders() if order["endpoint"] == "edits"]
    digests = [hashlib.sha256(png(name)).hexdigest() for name in files]
    assert [file["sha256"] for file in edit["files"]] == digests


def test_the_error_about_a_rejected_key_does_not_show_the_key(server: Simulated, tmp_path: Path) -> None:
    settings = {"UPSTREAM": "openai", "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-wrong"}
    with (
        running_program(tmp_path, **settings, OPENAI_PROFILE="openai", API_AUTH_TOKEN=CLIENT_KEY) as program,
        OpenAI(base_url=f"{program.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client,
        pytest.raises(Exception, match="key") as refused,
    ):
        client.images.generate(prompt="a red fox", model=MODEL)
    assert "sk-wrong" not in str(refused.value)
