"""The Responses API with the newest openai SDK for Python (strict validation), and the SDK for Node."""

import base64
import io
import re
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseOutputItem
from openai.types.responses.response_output_item import ImageGenerationCall
from PIL import Image

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import Program
from tests.e2e.node import run_node

IMAGE = re.compile(r"!\[a red fox\]\(http://\S+/images/[0-9a-f]{32}\.png\)")


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key=CLIENT_KEY, max_retries=0, _strict_response_validation=True) as client:
        yield client


def format_of(item: ResponseOutputItem) -> str | None:
    assert isinstance(item, ImageGenerationCall)
    with Image.open(io.BytesIO(base64.b64decode(item.result or "", validate=True))) as image:
        image.load()
        return image.format


def check_it_has_an_image(response: Response) -> None:
    assert (response.status, response.error) == ("completed", None)
    assert format_of(response.output[0]) == "PNG"
    assert IMAGE.fullmatch(response.output_text)
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    assert (response.model_extra or {})["backend"] == "simulator"


def test_a_response_and_its_follow_up_contain_an_image(client: OpenAI) -> None:
    response = client.responses.create(
        model="gpt-image-1",
        input="a red fox",
        tools=[{"type": "image_generation", "size": "1024x1024", "quality": "high", "partial_images": 2}],
        metadata={"album": "e2e"},
    )
    check_it_has_an_image(response)
    assert (response.model, response.metadata) == ("gpt-image-1", {"album": "e2e"})
    assert client.responses.retrieve(response.id).model_dump() == response.model_dump()
    assert [item.type for item in client.responses.input_items.list(response.id)] == ["message"]

    following = client.responses.create(
        previous_response_id=response.id,
        input=[{"role": "user", "content": [{"type": "input_text", "text": "the same fox at night"}]}],
        tools=[{"type": "image_generation", "output_format": "webp"}],
    )
    assert format_of(following.output[0]) == "WEBP"

    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_stream_is_resumed_after_any_event(client: OpenAI) -> None:
    uncut = list(client.responses.create(model="sora-1.0", input="a red fox", stream=True))
    created = uncut[0]
    assert created.type == "response.created"
    for position, event in enumerate(uncut, 1):
        rest = client.responses.retrieve(created.response.id, stream=True, starting_after=event.sequence_number)
        assert [each.model_dump() for each in rest] == [each.model_dump() for each in uncut[position:]]


def test_the_stream_helper_returns_the_final_response(client: OpenAI) -> None:
    with client.responses.stream(model="sora-1.0", input="a red fox") as stream:
        kinds = [event.type for event in stream]
        check_it_has_an_image(stream.get_final_response())
    assert "response.image_generation_call.generating" in kinds


def test_a_background_response_can_be_retrieved_and_cancelled(client: OpenAI, program: Program) -> None:
    program.order_fault("never_finish", prompt="a slow fox")
    response = client.responses.create(model="sora-1.0", input="a red fox", background=True)
    seen = [response.status]
    with client.responses.stream(response_id=response.id) as stream:
        check_it_has_an_image(stream.get_final_response())
    seen.append(client.responses.retrieve(response.id).status)
    assert seen == ["queued", "completed"]
    assert client.responses.cancel(response.id).status == "completed"

    response = client.responses.create(model="sora-1.0", input="a slow fox", background=True)
    assert client.responses.cancel(response.id).status == "cancelled"
    kinds = [event.type for event in client.responses.retrieve(response.id, stream=True)]
    assert kinds[-1] == "response.failed"


def test_unknown_models_and_responses_raise_the_matching_errors(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown_model:
        client.responses.create(model="gpt-9", input="a red fox")
    assert (unknown_model.value.code, unknown_model.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as unknown_response:
        client.responses.create(model="sora-1.0", input="a red fox", previous_response_id="resp_none")
    assert unknown_response.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_none")


def test_the_node_sdk_can_create_stream_cancel_and_delete_responses(url: str, program: Program) -> None:
    program.order_fault("never_finish", prompt="a slow fox")
    run_node(
        r"""
const start = (base64) => Buffer.from(base64, "base64").subarray(0, 4).toString("latin1");
const model = "sora-1.0", input = "a red fox";
const whole = await client.responses.create({model, input, tools: [{type: "image_generation"}]});
assert.equal(whole.status, "completed");
assert.equal(start(whole.output[0].result), "\x89PNG");
assert.match(whole.output_text, /^!\[a red fox\]\(http:\S+\/images\/[0-9a-f]{32}\.png\)$/);

const final = await client.responses.stream({model, input}).finalResponse();
assert.equal(start(final.output[0].result), "\x89PNG");
assert.match(final.output_text, /^!\[a red fox\]/);

const uncut = [];
for await (const event of await client.responses.create({model, input, stream: true})) uncut.push(event);
const {id} = uncut[0].response;
const starting_after = uncut[4].sequence_number;
const rest = [];
for await (const event of await client.responses.retrieve(id, {stream: true, starting_after})) rest.push(event);
assert.deepEqual(rest, uncut.slice(5));

const background = await client.responses.create({model, input: "a slow fox", background: true});
assert.equal(background.status, "queued");
assert.equal((await client.responses.cancel(background.id)).status, "cancelled");
await client.responses.delete(id);
await assert.rejects(client.responses.retrieve(id), (error) => error instanceof OpenAI.NotFoundError);
""",
        url,
    )
