"""Edits and variations as multipart forms: every valid way in which clients write a form, and invalid forms."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import psutil
import pytest
from PIL import Image

from tests.conftest import Proxy, Simulator

BOUNDARY = "line-between-the-parts"
Part = tuple[str, bytes]  # the headers of a part, and its content
PROMPT: Part = ('form-data; name="prompt"', b"at night")


def png(size: tuple[int, int] = (320, 240)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(out, "PNG")
    return out.getvalue()


IMAGE: Part = ('form-data; name="image"; filename="fox.png"', png())
MASK: Part = ('form-data; name="mask"; filename="mask.png"', png())


def form(*parts: Part) -> bytes:
    body = b"".join(
        b"--%b\r\nContent-Disposition: %b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), head.encode(), content)
        for head, content in parts
    )
    return body + b"--%b--\r\n" % BOUNDARY.encode()


def memory() -> int:
    resident: int = psutil.Process().memory_info().rss
    return resident


async def post(proxy: Proxy, body: Any, *, kind: str | None = None, route: str = "edits") -> tuple[int, dict[str, Any]]:
    if isinstance(body, bytes):
        body = io.BytesIO(body)
    headers = {"content-type": kind or f"multipart/form-data; boundary={BOUNDARY}"}
    async with proxy.client.post(f"{proxy.url}/v1/images/{route}", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def uploads(simulator: Simulator) -> list[int]:
    return [upload["bytes"] for upload in (await simulator.stats())["uploads"]]


@pytest.mark.parametrize(
    "head",
    [
        'form-data; name="image"; filename="fox.png"',
        'form-data; name="image[]"; filename="fox.png"',
        'form-data; name="image[0]"; filename="fox.png"',
        'form-data; name="image"; filename="image"\r\nContent-Type: application/octet-stream',
        'form-data; name="image"; filename="../etc/passwd"\r\nContent-Type: text/html',
        'form-data; name="image"\r\nContent-Type: image/png',
        'form-data; name="image"',
    ],
)
async def test_an_image_is_found_in_every_valid_kind_of_part(proxy: Proxy, simulator: Simulator, head: str) -> None:
    status, body = await post(proxy, form((head, IMAGE[1]), PROMPT))
    assert status == 200, body
    assert await uploads(simulator) == [len(IMAGE[1])]


async def test_text_fields_of_a_form_are_converted_to_the_types_of_their_parameters(proxy: Proxy) -> None:
    fields = {"n": "2", "size": "1024x1024", "stream": "false", "output_format": "jpeg", "svg[model]": "x"}
    parts = [(f'form-data; name="{name}"', value.encode()) for name, value in fields.items()]
    status, body = await post(proxy, form(*parts, IMAGE, PROMPT))
    assert status == 200, body
    assert (len(body["data"]), body["output_format"], body["size"]) == (2, "jpeg", "1024x1024")


async def test_a_form_may_arrive_in_chunks(proxy: Proxy, simulator: Simulator) -> None:
    whole = form(IMAGE, PROMPT)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 777):
            yield whole[start : start + 777]

    status, body = await post(proxy, chunks())
    assert status == 200, body
    assert await uploads(simulator) == [len(IMAGE[1])]


async def test_a_large_image_is_received_completely(proxy: Proxy, simulator: Simulator) -> None:
    large = png((2000, 1500))
    assert len(large) > 2 * 2**20
    status, body = await post(proxy, form(('form-data; name="image"; filename="fox.png"', large), PROMPT))
    assert status == 200, body
    assert await uploads(simulator) == [len(large)]


async def test_a_variation_needs_no_prompt(proxy: Proxy, simulator: Simulator) -> None:
    status, body = await post(proxy, form(IMAGE), route="variations")
    assert status == 200, body
    assert len(await uploads(simulator)) == 1


@pytest.mark.parametrize("name", ["mask", "mask[]", "markup", "image"])
@pytest.mark.parametrize("file", ['; filename=""', '; filename=""\r\nContent-Type: application/octet-stream', ""])
async def test_a_file_field_without_a_file_is_ignored(proxy: Proxy, simulator: Simulator, name: str, file: str) -> None:
    status, body = await post(proxy, form(IMAGE, (f'form-data; name="{name}"{file}', b""), PROMPT))
    assert status == 200, body
    assert await uploads(simulator) == [len(IMAGE[1])]


REFUSED: dict[str, tuple[bytes, str | None, str | None]] = {
    "no image": (form(PROMPT), None, "image"),
    "two images": (form(IMAGE, IMAGE, PROMPT), None, "image"),
    "a mask": (form(IMAGE, MASK, PROMPT), None, "mask"),
    "two masks": (form(IMAGE, MASK, MASK, PROMPT), None, "mask"),
    "an empty mask": (form(IMAGE, (MASK[0], b""), PROMPT), None, "mask"),
    "an image field without a file": (form(('form-data; name="image"; filename=""', b""), PROMPT), None, "image"),
    "a mask without an image": (form(MASK, PROMPT), None, "image"),
    "a markup": (form(IMAGE, ('form-data; name="markup"; filename="x.png"', png()), PROMPT), None, "markup"),
    "a parameter out of bounds": (form(IMAGE, PROMPT, ('form-data; name="steps"', b"0")), None, "steps"),
    "an empty image": (form((IMAGE[0], b""), PROMPT), None, "image"),
    "a file that is not an image": (form((IMAGE[0], b"<svg/>"), PROMPT), None, "image"),
    "no prompt": (form(IMAGE), None, "prompt"),
    "n is not a number": (form(IMAGE, PROMPT, ('form-data; name="n"', b"two")), None, "n"),
    "n is too large": (form(IMAGE, PROMPT, ('form-data; name="n"', b"9" * 5000)), None, "n"),
    "stream is neither true nor false": (form(IMAGE, PROMPT, ('form-data; name="stream"', b"maybe")), None, "stream"),
    "nothing": (b"", None, None),
    "another boundary": (form(IMAGE, PROMPT), "multipart/form-data; boundary=other", None),
    "no boundary": (form(IMAGE, PROMPT), "multipart/form-data", None),
    "a boundary that is too long": (form(PROMPT), f"multipart/form-data; boundary={'x' * 100}", None),
    "no closing boundary": (form(IMAGE, PROMPT)[:-20], None, None),
    "a part without a name": (form(("form-data", b"x")), None, None),
    "no disposition": (b"--%b\r\n\r\nx\r\n--%b--\r\n" % (BOUNDARY.encode(), BOUNDARY.encode()), None, None),
    "text that is not UTF-8": (form(IMAGE, (PROMPT[0], b"\xff\xfe")), None, None),
    "an unknown _charset_": (form(('form-data; name="_charset_"', b"no-such"), IMAGE, PROMPT), None, None),
    "a long _charset_": (form(('form-data; name="_charset_"', b"x" * 99), IMAGE, PROMPT), None, None),
    "a form inside the form": (form((f"{PROMPT[0]}\r\nContent-Type: multipart/mixed; boundary=b", b"x")), None, None),
    "a long header": (form((f'form-data; name="{"x" * 20_000}"', b"x")), None, None),
    "many headers": (form(("form-data" + "\r\nx: y" * 500, b"x")), None, None),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_unusable_form_is_refused(proxy: Proxy, simulator: Simulator, case: str) -> None:
    body, kind, param = REFUSED[case]
    status, answer = await post(proxy, body, kind=kind)
    assert status == 400, answer
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["param"] == param
    assert (await simulator.stats())["requests"] == {}


@pytest.mark.parametrize(
    "parts",
    [[('form-data; name="x"', b"y")] * 20_000, [('form-data; name="x"; filename="y"', b"z" * 1000)] * 20_000],
    ids=["fields", "files"],
)
async def test_a_form_with_too_many_parts_is_refused(proxy: Proxy, parts: list[Part]) -> None:
    status, answer = await post(proxy, form(*parts))
    assert (status, answer["error"]["code"]) == (400, "invalid_body")


async def test_a_form_that_is_too_large_is_refused_without_filling_memory(proxy: Proxy) -> None:
    async def endless(head: str) -> AsyncIterator[bytes]:
        yield b"--%b\r\nContent-Disposition: %b\r\n\r\n" % (BOUNDARY.encode(), head.encode())
        for _ in range(1000):
            yield bytes(2**20)

    before = await asyncio.to_thread(memory)
    heads = {
        'form-data; name="image"; filename="x"': "request_too_large",
        'form-data; name="mask"; filename="x"': "request_too_large",
        'form-data; name="prompt"': "invalid_value",
    }
    for head, code in heads.items():
        try:
            _, answer = await post(proxy, endless(head))
        except aiohttp.ClientConnectionError:
            continue  # the server closed the connection while the client was still sending
        assert answer["error"]["code"] == code
    assert await asyncio.to_thread(memory) - before < 100 * 2**20
    assert (await post(proxy, form(IMAGE, PROMPT)))[0] == 200


async def test_an_sdk_retry_of_a_form_places_one_order(proxy: Proxy, simulator: Simulator) -> None:
    async def post_again(count: str, image: Part) -> str:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "x-stainless-retry-count": count}
        url = f"{proxy.url}/v1/images/edits"
        async with proxy.client.post(url, data=io.BytesIO(form(image, PROMPT)), headers=headers) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            generation_id: str = body["id"]
            return generation_id

    ids = [await post_again("0", IMAGE), await post_again("1", IMAGE)]
    other = await post_again("1", (IMAGE[0], png()))
    assert ids[0] == ids[1] != other
    assert (await simulator.stats())["registered"] == 2
