"""Reference images, masks and parameters arrive at every back end that supports them."""

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from sora_proxy.api.ordering.possible import MAX_REFERENCES
from tests.conftest import Proxy
from tests.contract.conftest import Contract
from tests.contract.received import File

Start = Callable[..., AbstractAsyncContextManager[Proxy]]


def image(kind: str, colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(out, kind)
    return out.getvalue()


# One file more than an order may have. No two files are equal.
FILES: list[File] = [
    (f"image/{kind.lower()}", image(kind, f"hsl({20 * number}, 100%, 50%)"))
    for number, kind in zip(range(MAX_REFERENCES + 1), cycle(("WEBP", "PNG", "JPEG", "GIF")), strict=False)
]
MASK: File = ("image/png", image("PNG", "blue"))


def data_uri(file: File) -> str:
    """A data URI whose declared type differs from the type of its bytes."""
    return f"data:image/x-other;base64,{base64.b64encode(file[1]).decode()}"


async def answer_of(proxy: Proxy, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    sent = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
    async with proxy.client.post(f"{proxy.url}/v1/{path}", **sent) as answer:
        return answer.status, await answer.json()


async def by_form(proxy: Proxy, model: str, files: Sequence[File], mask: File | None) -> tuple[int, dict[str, Any]]:
    form = aiohttp.FormData({"prompt": "at night", "model": model})
    for name, (_, content) in [*(("image[]", file) for file in files), *([("mask", mask)] if mask else [])]:
        form.add_field(name, content, filename="upload", content_type="application/octet-stream")
    return await answer_of(proxy, "images/edits", form)


async def by_json(proxy: Proxy, model: str, files: Sequence[File], mask: File | None) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = {"prompt": "at night", "model": model}
    body["images"] = [{"image_url": data_uri(file)} for file in files]
    if mask:
        body["mask"] = {"image_url": data_uri(mask)}
    return await answer_of(proxy, "images/edits", body)


async def by_chat(proxy: Proxy, model: str, files: Sequence[File], mask: File | None) -> tuple[int, dict[str, Any]]:
    assert mask is None
    parts = [{"type": "image_url", "image_url": {"url": data_uri(file)}} for file in files]
    messages = [{"role": "user", "content": [{"type": "text", "text": "at night"}, *parts]}]
    return await answer_of(proxy, "chat/completions", {"model": model, "messages": messages})


async def by_response(proxy: Proxy, model: str, files: Sequence[File], mask: File | None) -> tuple[int, dict[str, Any]]:
    parts = [{"type": "input_image", "image_url": data_uri(file)} for file in files]
    content = [*parts, {"type": "input_text", "text": "at night"}]
    tool = {"type": "image_generation"} | ({"input_image_mask": {"image_url": data_uri(mask)}} if mask else {})
    body = {"model": model, "input": [{"role": "user", "content": content}], "tools": [tool]}
    return await answer_of(proxy, "responses", body)


Send = Callable[[Proxy, str, Sequence[File], File | None], Awaitable[tuple[int, dict[str, Any]]]]
# The ways to send images: for each, the parameter for the images, and the parameter for a mask, if there is one.
WAYS: list[tuple[Send, str, str | None]] = [
    (by_form, "image", "mask"),
    (by_json, "image", "mask"),
    (by_chat, "messages", None),
    (by_response, "input", "input_image_mask"),
]
ways = pytest.mark.parametrize(("send", "param", "mask_param"), WAYS, ids=lambda value: getattr(value, "__name__", ""))


async def most_references(proxy: Proxy, contract: Contract) -> int:
    """The number of reference images that an order may have."""
    most: int = (await contract.abilities(proxy))["max_reference_images"]
    return min(most, MAX_REFERENCES)


@ways
async def test_reference_images_and_masks_arrive_unchanged_with_correct_content_types(
    start: Start, contract: Contract, send: Send, param: str, mask_param: str | None
) -> None:
    async with start() as proxy:
        if not (most := await most_references(proxy, contract)):
            pytest.skip("the model accepts no reference image")
        files = FILES[:most]
        mask = MASK if (await contract.abilities(proxy))["masks"] and mask_param else None
        status, body = await send(proxy, contract.model, files, mask)
        assert status == 200, body
    assert (contract.stage.received.references, contract.stage.received.mask) == (files, mask)
    assert contract.stage.registered == 1


@ways
async def test_an_order_with_too_many_reference_images_is_refused_before_anything_is_sent(
    start: Start, contract: Contract, send: Send, param: str, mask_param: str | None
) -> None:
    async with start() as proxy:
        most = await most_references(proxy, contract)
        status, body = await send(proxy, contract.model, FILES[: most + 1], None)
        error = body["error"]
        assert (status, error["code"], error["param"]) == (400, "invalid_image", param)
        assert f"accepts {f'at most {most}' if most else 'no'} reference image" in error["message"]
    assert (contract.stage.registered, contract.stage.uploaded) == (0, 0)


@ways
async def test_an_order_with_an_unusable_image_is_refused_and_leaves_no_file(
    start: Start, contract: Contract, tmp_path: Path, send: Send, param: str, mask_param: str | None
) -> None:
    async with start() as proxy:
        most = await most_references(proxy, contract)
        files = [*FILES[: max(most - 1, 0)], ("image/png", b"no image")]
        status, body = await send(proxy, contract.model, files, None)
        assert (status, body["error"]["code"], body["error"]["param"]) == (400, "invalid_image", param)
        assert await asyncio.to_thread(lambda: list((tmp_path / "data/inputs").iterdir())) == []
    assert (contract.stage.registered, contract.stage.uploaded) == (0, 0)


@ways
async def test_an_unusable_mask_is_refused_with_the_name_of_its_parameter(
    start: Start, contract: Contract, send: Send, param: str, mask_param: str | None
) -> None:
    if mask_param is None:
        pytest.skip("this way to send images has no mask")
    async with start() as proxy:
        takes_masks = (await contract.abilities(proxy))["masks"]
        files = [] if takes_masks else FILES[: min(await most_references(proxy, contract), 1)]
        status, body = await send(proxy, contract.model, files, MASK)
        assert status == 400
        assert body["error"]["param"] in ((mask_param,) if files else ("image", mask_param))
    assert (contract.stage.registered, contract.stage.uploaded) == (0, 0)


@pytest.mark.parametrize("path", ["images/generations", "chat/completions", "responses"])
async def test_supported_parameters_reach_the_back_end_and_other_parameters_are_listed_as_ignored(
    start: Start, contract: Contract, path: str
) -> None:
    given = {"seed": 0, "strength": 0.5, "negative_prompt": "snow", "num_inference_steps": 20, "quality": "hd"}
    bodies: dict[str, dict[str, Any]] = {
        "images/generations": {"prompt": "a fox"} | given,
        "chat/completions": {"messages": [{"role": "user", "content": "a fox"}]} | given,
        "responses": {"input": "a fox", "tools": [{"type": "image_generation"} | given]},
    }
    asked = {"steps" if name == "num_inference_steps" else name: value for name, value in given.items()}
    async with start() as proxy:
        taken = set((await contract.abilities(proxy))["parameters"])
        status, body = await answer_of(proxy, path, bodies[path] | {"model": contract.model})
        assert status == 200, body
        ignored = set(asked) - taken
        (listed,) = (await proxy.get("/v1/generations"))["data"]
        for answer in (body, listed):
            assert set(answer["ignored_parameters"]) == ignored
            assert (answer["backend"], answer["backend_model"]) == (contract.kind, contract.model)
            assert answer["backend_id"]
    assert contract.stage.received.parameters == {name: value for name, value in asked.items() if name in taken}
