"""The Images API with the newest openai SDK for Python (strict validation), the SDK for Node, and openai 0.28.1."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from PIL import Image

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT
from tests.e2e.node import run_node
from tests.e2e.test_openai_028 import run

FOX = CHECKOUT / "docs" / "fox.png"


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key=CLIENT_KEY, max_retries=0, _strict_response_validation=True) as client:
        yield client


def looked_at(encoded: str | None) -> tuple[str | None, tuple[int, int]]:
    """The format and size of an image in base64."""
    with Image.open(io.BytesIO(base64.b64decode(encoded or "", validate=True))) as image:
        image.load()
        return image.format, image.size


def test_generate_returns_the_images_of_a_prompt(client: OpenAI) -> None:
    answer = client.images.generate(prompt="a red fox", model="gpt-image-1", n=2, size="1024x1024", quality="high")

    assert answer.data is not None
    assert [looked_at(image.b64_json) for image in answer.data] == [("PNG", (1024, 1024))] * 2
    assert all(image.url and image.url.endswith(".png") for image in answer.data)
    assert answer.usage is not None
    assert (answer.size, answer.output_format, answer.usage.total_tokens) == ("1024x1024", "png", 5)
    assert (answer.model_extra or {})["backend"] == "simulator"


def test_generate_returns_images_in_the_requested_format(client: OpenAI) -> None:
    answer = client.images.generate(
        prompt="a red fox", output_format="webp", output_compression=50, response_format="b64_json"
    )

    assert answer.data is not None
    assert looked_at(answer.data[0].b64_json)[0] == "WEBP"
    assert answer.data[0].url is None


def test_a_generation_stream_contains_the_image(client: OpenAI) -> None:
    stream = client.images.generate(prompt="a red fox", stream=True, partial_images=3, output_format="jpeg")

    (event,) = list(stream)
    assert event.type == "image_generation.completed"
    assert (event.model_extra or {})["backend"] == "simulator"
    assert looked_at(event.b64_json)[0] == "JPEG"
    assert event.output_format == "jpeg"


def test_edit_accepts_an_image_file(client: OpenAI) -> None:
    with FOX.open("rb") as image:
        answer = client.images.edit(image=image, prompt="at night", n=1, size="1536x1024")

    assert answer.data is not None
    assert looked_at(answer.data[0].b64_json) == ("PNG", (1536, 1024))
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 1


def test_an_edit_of_image_bytes_without_a_file_name_can_be_streamed(client: OpenAI) -> None:
    events = list(client.images.edit(image=[FOX.read_bytes()], prompt="at night", stream=True))

    assert [event.type for event in events] == ["image_edit.completed"]


def test_a_variation_is_returned_as_a_link(client: OpenAI) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"), FOX.open("rb") as image:
        answer = client.images.create_variation(image=image, response_format="url", size="512x512")

    assert answer.data is not None
    assert answer.data[0].url is not None
    assert answer.data[0].b64_json is None


def test_invalid_requests_raise_bad_request_errors(client: OpenAI) -> None:
    for arguments, param in (({"n": 9}, "n"), ({"size": "huge"}, "size"), ({"prompt": ""}, "prompt")):
        fields: dict[str, Any] = {"prompt": "a red fox"} | arguments
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(**fields)
        assert refused.value.param == param
    with pytest.raises(openai.BadRequestError) as no_image:
        client.images.edit(image=b"no image", prompt="at night")
    assert (no_image.value.code, no_image.value.param) == ("invalid_image", "image")
    with pytest.raises(openai.BadRequestError) as two_images:
        client.images.edit(image=[FOX.read_bytes(), FOX.read_bytes()], prompt="at night")
    assert two_images.value.param == "image"
    with pytest.raises(openai.BadRequestError) as masked:
        client.images.edit(image=FOX.read_bytes(), mask=FOX.read_bytes(), prompt="at night")
    assert masked.value.param == "mask"


def test_the_node_sdk_can_generate_edit_and_vary_images(url: str) -> None:
    run_node(
        f"const FOX = {str(FOX)!r};"
        r"""
import fs from "node:fs";
import { toFile } from "openai";
const start = (encoded) => Buffer.from(encoded, "base64").subarray(0, 4).toString("latin1");

async function collected(stream) {
    const events = [];
    for await (const event of await stream) events.push(event);
    return events;
}
const prompt = "a red fox";
const file = await toFile(fs.createReadStream(FOX), null, {type: "image/png"});
const [answer, events, edit, edits, variation] = await Promise.all([
    client.images.generate({prompt, model: "dall-e-3", n: 2, size: "1024x1024"}),
    collected(client.images.generate({prompt, stream: true, output_format: "webp"})),
    client.images.edit({image: fs.createReadStream(FOX), prompt}),
    collected(client.images.edit({image: [file], prompt, stream: true})),
    client.images.createVariation({image: fs.createReadStream(FOX), response_format: "url"}),
]);
assert.equal(answer.data.length, 2);
assert(answer.data.every((image) => start(image.b64_json) === "\x89PNG" && image.url.endsWith(".png")));
assert.deepEqual(events.map((event) => event.type), ["image_generation.completed"]);
assert.equal(start(events[0].b64_json), "RIFF");
assert.equal(start(edit.data[0].b64_json), "\x89PNG");
assert.deepEqual(edits.map((event) => event.type), ["image_edit.completed"]);
assert.match(variation.data[0].url, /\/images\/[0-9a-f]{32}\.png$/);

await assert.rejects(client.images.generate({prompt: "a red fox", n: 5}), (error) => {
    assert(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "n");
    return true;
});
""",
        url,
    )


def test_openai_028_can_generate_edit_and_vary_images(url: str) -> None:
    run(
        f"""
answer = openai.Image.create(prompt="a red fox", n=2, size="256x256")
assert len(answer["data"]) == 2 and all(image["url"].endswith(".png") for image in answer["data"]), answer
with open({str(FOX)!r}, "rb") as image:
    edit = openai.Image.create_edit(image=image, prompt="at night", n=1, size="1024x1024")
assert edit["data"][0]["url"].endswith(".png") and edit["data"][0]["b64_json"], edit
with open({str(FOX)!r}, "rb") as image:
    variation = openai.Image.create_variation(image=image, n=1, response_format="b64_json")
assert list(variation["data"][0]) == ["b64_json"], variation
try:
    openai.Image.create(prompt="a red fox", n=9)
except openai.error.InvalidRequestError as error:
    assert error.param == "n", error
else:
    raise SystemExit("no error")
with open({str(FOX)!r}, "rb") as image, open({str(FOX)!r}, "rb") as mask:
    try:
        openai.Image.create_edit(image=image, mask=mask, prompt="at night", n=1, size="1024x1024")
    except openai.error.InvalidRequestError as error:
        assert error.param == "mask", error
    else:
        raise SystemExit("no error")
""",
        url,
    )
