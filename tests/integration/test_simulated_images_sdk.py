"""The official SDK checks the simulated OpenAI server. The SDK blocks, so it runs in threads."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import openai
import pytest
from openai import OpenAI

from tests.simulated_images import KEY, SimulatedImages, looked_at, png, simulated

RED, BLUE, MASK = png("red"), png("blue"), png("white")
MODEL = "gpt-image-1.5"

Found = TypeVar("Found")


@pytest.fixture
async def server() -> AsyncIterator[SimulatedImages]:
    async with simulated("openai", key=KEY) as server:
        yield server


async def with_sdk(server: SimulatedImages, work: Callable[[OpenAI], Found]) -> Found:
    """Run a function with the SDK, which validates the answers strictly."""

    def connected() -> Found:
        with OpenAI(base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True) as client:
            return work(client)

    return await asyncio.to_thread(connected)


def decoded(image: Any) -> bytes:
    return base64.b64decode(image.b64_json or "", validate=True)


async def test_images_of_different_prompts_are_different(server: SimulatedImages) -> None:
    answer, other = await with_sdk(
        server,
        lambda sdk: (
            sdk.images.generate(prompt="a red fox", model=MODEL, n=2, size="1536x1024"),
            sdk.images.generate(prompt="a blue fox", model=MODEL, size="1536x1024"),
        ),
    )
    images = [decoded(image) for each in (answer, other) for image in each.data or []]
    assert [looked_at(image) for image in images] == [("PNG", (1536, 1024))] * 3
    assert len(set(images)) == 3
    assert answer.usage is not None
    assert (answer.size, answer.output_format, answer.usage.output_tokens) == ("1536x1024", "png", 2 * 4160)


async def test_an_edit_arrives_with_its_references_and_its_mask(server: SimulatedImages) -> None:
    answer = await with_sdk(
        server,
        lambda sdk: sdk.images.edit(
            image=[("red.png", RED, "image/png"), ("blue.png", BLUE, "image/png")],
            mask=("mask.png", MASK, "image/png"),
            prompt="at night",
            model=MODEL,
        ),
    )
    assert answer.data is not None
    assert looked_at(decoded(answer.data[0]))[0] == "PNG"
    stats = await server.stats()
    (request,) = stats["requests"]
    assert (request["endpoint"], request["key"], request["form"], stats["images"]) == ("edits", KEY, True, 1)
    assert request["fields"] == {"prompt": "at night", "model": MODEL}
    sent = [("image[]", "red.png", RED), ("image[]", "blue.png", BLUE), ("mask", "mask.png", MASK)]
    assert request["files"] == [
        {
            "field": field,
            "name": name,
            "type": "image/png",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for field, name, content in sent
    ]


def streamed(sdk: OpenAI, *, edit: bool) -> list[Any]:
    if edit:
        image = ("red.png", RED, "image/png")
        return list(sdk.images.edit(image=image, prompt="a fox", model=MODEL, stream=True, partial_images=2))
    return list(sdk.images.generate(prompt="a fox", model=MODEL, stream=True, partial_images=2))


@pytest.mark.parametrize("edit", [False, True])
async def test_a_stream_shows_partial_images_and_then_the_image(server: SimulatedImages, edit: bool) -> None:
    events = await with_sdk(server, lambda sdk: streamed(sdk, edit=edit))
    kind = "image_edit" if edit else "image_generation"
    assert [event.type for event in events] == [f"{kind}.partial_image"] * 2 + [f"{kind}.completed"]
    assert [looked_at(decoded(event)) for event in events] == [("PNG", (1024, 1024))] * 3
    assert len({event.b64_json for event in events}) == 3
    assert (events[1].partial_image_index, events[1].size) == (1, "1024x1024")
    assert events[2].usage.total_tokens > 0


async def test_the_sdk_raises_the_matching_error_for_each_refusal(server: SimulatedImages) -> None:
    await server.fault("moderation_blocked")

    def work(sdk: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.images.generate(prompt="a fox", model=MODEL)
        assert (refused.value.code, refused.value.type) == ("moderation_blocked", "image_generation_user_error")
        assert refused.value.request_id
        with pytest.raises(openai.NotFoundError):
            sdk.images.generate(prompt="a fox", model="gpt-image-9")
        with pytest.raises(openai.AuthenticationError) as wrong:
            sdk.with_options(api_key="another").images.generate(prompt="a fox")
        assert wrong.value.code == "invalid_api_key"
        assert next(iter(sdk.models.list())).id == MODEL

    await with_sdk(server, work)


async def test_an_error_in_the_middle_of_a_stream_reaches_the_sdk(server: SimulatedImages) -> None:
    await server.fault("error_event", code="moderation_blocked")

    def work(sdk: OpenAI) -> None:
        stream = iter(sdk.images.generate(prompt="a fox", model=MODEL, stream=True, partial_images=1))
        assert next(stream).type == "image_generation.partial_image"
        with pytest.raises(openai.APIError) as failed:
            next(stream)
        assert failed.value.code == "moderation_blocked"

    await with_sdk(server, work)
