"""sora_proxy in front of museq, a server with OpenAI's Images API. The model of museq is in `models/`."""

import asyncio
import base64
import hashlib
import io
import os
import re
import signal

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from tests.e2e.conftest import Program
from tests.eventually import eventually
from tests.programs.conftest import MODEL, Museq

LINK = re.compile(r"!\[[^\]]*\]\((http\S+)\)")


def png(width: int = 96, height: int = 64, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def is_of(content: bytes, prompt: str, size: tuple[int, int]) -> bool:
    """Whether this is the image that the model paints for a prompt."""
    with Image.open(io.BytesIO(content)) as image:
        colour = tuple(hashlib.sha256(prompt.encode()).digest()[:3])
        return (image.format, image.size, image.getpixel((0, 0))) == ("PNG", size, colour)


def decoded(encoded: str | None) -> bytes:
    return base64.b64decode(encoded or "", validate=True)


async def test_the_model_of_museq_is_listed(client: AsyncOpenAI) -> None:
    async def look() -> bool:
        return MODEL in [model.id async for model in client.models.list()]

    assert await eventually(look)


async def test_a_streamed_chat_ends_with_a_link_to_its_image(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "a red fox"}], stream=True
    )
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    found = LINK.search(text)
    assert found is not None, text
    async with aiohttp.ClientSession() as session, session.get(found[1]) as image:
        assert is_of(await image.read(), "a red fox", (1024, 1024))


async def test_an_order_for_two_images_returns_both(client: AsyncOpenAI, museq: Museq) -> None:
    answer = await client.images.generate(
        model=MODEL, prompt="two foxes", n=2, size="256x256", response_format="b64_json"
    )

    assert answer.data is not None
    assert [is_of(decoded(image.b64_json), "two foxes", (256, 256)) for image in answer.data] == [True, True]
    assert len(await museq.calls("two foxes")) == 2


async def test_an_edit_with_a_mask_calls_the_inpainting_of_museq(client: AsyncOpenAI, museq: Museq) -> None:
    answer = await client.images.edit(
        model=MODEL, prompt="at night", image=png(), mask=png(mode="RGBA"), size="128x64", response_format="b64_json"
    )

    assert answer.data is not None
    assert is_of(decoded(answer.data[0].b64_json), "at night", (128, 64))
    (call,) = await museq.calls("at night")
    assert (call["call"], call["init_image"], call["mask_image"]) == ("inpaint", [96, 64], [96, 64])


async def test_an_edit_without_a_mask_is_sent_to_museq_as_a_generation_with_the_image(
    client: AsyncOpenAI, museq: Museq
) -> None:
    answer = await client.images.edit(model=MODEL, prompt="by day", image=png(), size="64x64")

    assert answer.data is not None
    assert is_of(decoded(answer.data[0].b64_json), "by day", (64, 64))
    (call,) = await museq.calls("by day")
    assert (call["call"], call["init_image"]) == ("generate", [96, 64])


async def test_a_refused_size_fails_the_order_and_leaves_its_key_in_use(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.generate(model=MODEL, prompt="a long fox", size="4096x64")
    assert refused.value.code == "order_refused"

    answer = await client.images.generate(model=MODEL, prompt="a long fox", size="auto", response_format="b64_json")
    assert answer.data is not None
    assert is_of(decoded(answer.data[0].b64_json), "a long fox", (1024, 1024))


async def test_an_order_is_not_sent_again_after_the_worker_of_museq_has_died(client: AsyncOpenAI, museq: Museq) -> None:
    order = asyncio.create_task(client.images.generate(model=MODEL, prompt="a fox that waits for a dead worker"))
    call = await museq.called("a fox that waits for a dead worker")
    os.kill(call["pid"], signal.SIGKILL)

    with pytest.raises(openai.APIStatusError) as lost:
        await order
    assert (lost.value.status_code, lost.value.code) == (502, "outcome_unknown")
    await eventually(museq.works)
    assert await client.images.generate(model=MODEL, prompt="the next fox")
    assert len(await museq.calls("a fox that waits for a dead worker")) == 1


async def test_an_order_that_a_full_queue_refused_is_sent_again_and_made_once(
    client: AsyncOpenAI, museq: Museq, program: Program
) -> None:
    prompts = [f"fox {number} that waits" for number in (1, 2, 3)]
    first = asyncio.create_task(museq.order(prompts[0]))
    await museq.called(prompts[0])
    others = [asyncio.create_task(museq.order(prompt)) for prompt in prompts[1:]]
    await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)  # one order was refused, so the queue is full
    order = asyncio.create_task(
        client.images.generate(model=MODEL, prompt="a fox in front of a full queue", size="64x64")
    )

    async def refused() -> bool:
        return "order refused" in await asyncio.to_thread(lambda: program.log)

    await eventually(refused)
    assert await museq.calls("a fox in front of a full queue") == []
    for prompt in prompts:
        await museq.end(prompt)
    answer = await order
    assert answer.data is not None
    assert is_of(decoded(answer.data[0].b64_json), "a fox in front of a full queue", (64, 64))
    assert len(await museq.calls("a fox in front of a full queue")) == 1
    assert sorted(await asyncio.gather(first, *others)) == [200, 200, 503]
