"""Limits that our server enforces even if the code of a back end passes on whatever its own server sends."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.event_log import Progress
from sora_proxy.generation import Asset
from sora_proxy.upstream import Abilities, Capabilities, Made, Snapshot, Submission, TaskState
from sora_proxy.upstream.registry import BACKENDS
from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.contract.hostile import MARK
from tests.contract.toy_server import ToyServer
from tests.contract.toys.named import Named
from tests.contract.toys.synchronous import Synchronous
from tests.sora_server import GIF_URI, outcome

Start = Callable[..., AbstractAsyncContextManager[Proxy]]
# Gets the true snapshot and the number of the poll, counted from 0; returns the snapshot that the back end reports.
Say = Callable[[Snapshot, int], Snapshot]


@pytest.fixture
async def stage() -> AsyncIterator[ToyServer]:
    stage = ToyServer()
    runner = await stage.start()
    yield stage
    await runner.cleanup()


@pytest.fixture
def start(stage: ToyServer, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start our server in front of a back end of this kind."""

    def start(kind: Any, **settings: Any) -> AbstractAsyncContextManager[Proxy]:
        monkeypatch.setitem(BACKENDS, "careless", kind)
        return start_proxy(upstream="careless", sora_base_url=stage.url, api_keys=upstream_keys(), **settings)

    return start


def saying(say: Say) -> type[Named]:
    class Careless(Named):
        polls = -1
        links_results = True

        def snapshot(self, job: dict[str, Any]) -> Snapshot:
            self.polls += 1
            return say(super().snapshot(job), self.polls)

    return Careless


async def code_of(proxy: Proxy) -> str | None:
    async with proxy.chat(model="toy") as answer:
        text = await answer.text()
        assert "HOSTILE" not in text
        error = json.loads(text).get("error")
        return error["code"] if error else None


def stored_in(folder: Path) -> list[str]:
    return [path.name for path in (folder / "data/images").iterdir()]


class Generous(Synchronous):
    """A synchronous back end that orders thirty images from its server, whatever the client orders."""

    def order(self, submission: Any) -> dict[str, Any]:
        return super().order(submission) | {"n": 30}


@pytest.mark.parametrize(
    "kind", [saying(lambda said, _: replace(said, assets=said.assets * 30)), Generous], ids=["named", "synchronous"]
)
async def test_images_beyond_the_requested_number_are_discarded_and_leave_no_file(
    start: Start, tmp_path: Path, kind: Any
) -> None:
    async with start(kind, image_localization=True) as proxy, proxy.chat(model="toy", n=2) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"].count("](") == 2
    assert len(await asyncio.to_thread(stored_in, tmp_path)) == 2


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "//127.0.0.1/fox.png",
        "/fox.png",
        "",
        "http://user:secret@example.com/fox.png",
        f"http://example.com/{MARK}",
        "http://example.com/\x1b[2J",
        "http://example.com/\u202egnp.xof",
        "http://example.com/" + "x" * 10_000,
    ],
    ids=lambda address: ascii(address[:30]),
)
async def test_an_address_that_is_unsafe_for_clients_is_not_shown(start: Start, address: str) -> None:
    careless = saying(lambda said, _: replace(said, assets=(Asset(address),)))
    async with start(careless, image_localization=False) as proxy:
        assert await code_of(proxy) == "result_unavailable"


async def test_markdown_in_the_address_of_an_image_has_no_effect(start: Start) -> None:
    phishing = "http://example.com/fox.png) **CLICK** [free](http://evil.example)<script>"
    careless = saying(lambda said, _: replace(said, assets=(Asset(phishing),)))
    async with start(careless, image_localization=False) as proxy, proxy.chat(model="toy") as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]
    assert content.count("](") == 1
    assert not {"<", " "} & set(content.partition("](")[2])


NUMBERS: list[Any] = [-5, math.nan, 0.5, math.inf, -math.inf, 1e308, 10**30, -1]


def odd_numbers_first(said: Snapshot, poll: int) -> Snapshot:
    if poll >= len(NUMBERS):
        return said
    odd = NUMBERS[poll]
    return replace(said, state=TaskState.running, assets=(), progress=odd, position=odd, seconds=odd)


class Boastful(Synchronous):
    """A synchronous back end that reports impossible progress before it sends an order."""

    async def submit(self, submission: Submission) -> Made:  # type: ignore[override]
        for odd in NUMBERS:
            await submission.report(Progress(odd * 100, odd, odd))
        return await super().submit(submission)


@pytest.mark.parametrize("kind", [saying(odd_numbers_first), Boastful], ids=["named", "synchronous"])
async def test_clients_never_see_impossible_progress_values(start: Start, kind: Any) -> None:
    async with start(kind, image_localization=True, poll_interval=0.05) as proxy:
        async with proxy.chat(model="toy", background=True) as answer:
            generation_id = answer.headers["x-generation-id"]
        await outcome(proxy, generation_id)
        async with proxy.client.get(f"{proxy.url}/v1/generation/{generation_id}/events") as answer:
            lines = (await answer.text()).splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert 50 in [event.get("percent") for event in events]
    for event in events:
        assert 0 <= (event.get("percent") or 0) <= 99, event
        assert 0 < (event.get("position") or 1) <= 2**53, event
        assert 0 < (event.get("seconds") or 1) <= 2**53, event


@pytest.mark.parametrize("kind", [Named, Synchronous])
@pytest.mark.parametrize(
    "image", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", MARK.encode(), b"\x89PNG\r\n\x1a\n"]
)
async def test_a_file_that_is_not_an_image_is_not_stored(
    start: Start, stage: ToyServer, tmp_path: Path, kind: Any, image: bytes
) -> None:
    stage.image_of = lambda _prompt: image
    async with start(kind, image_localization=True) as proxy:
        assert await code_of(proxy) == "result_unavailable"
    assert await asyncio.to_thread(stored_in, tmp_path) == []


UNFORESEEN = [("submit", "internal_error"), ("upload", "internal_error"), ("fetch", "result_unavailable")]


@pytest.mark.parametrize(("call", "code"), UNFORESEEN)
async def test_an_order_with_an_unforeseen_error_fails_without_showing_the_error_text(
    start: Start, call: str, code: str
) -> None:
    async def fail(*_arguments: object) -> None:
        raise KeyError(MARK)

    broken = type("Broken", (Named,), {call: fail})
    async with start(broken, image_localization=True) as proxy:
        content: Any = "a red fox"
        if call == "upload":
            content = [{"type": "text", "text": "a red fox"}, {"type": "image_url", "image_url": {"url": GIF_URI}}]
        async with proxy.chat(content, model="toy") as answer:
            text = await answer.text()
            assert json.loads(text)["error"]["code"] == code
            assert "HOSTILE" not in text


async def fail(_submission: Submission) -> Made:
    raise KeyError(MARK)


async def make_nothing(_submission: Submission) -> Made:
    return Made(())


@pytest.mark.parametrize("mistake", [fail, make_nothing])
async def test_an_unforeseen_error_in_one_image_does_not_affect_the_other_images(
    start: Start, mistake: Callable[[Submission], Awaitable[Made]]
) -> None:
    class Broken(Synchronous):
        capabilities = Capabilities({"toy": Abilities(max_images=4, single_calls=True)})
        calls = 0

        async def submit(self, submission: Submission) -> Made:  # type: ignore[override]
            self.calls += 1
            return await (mistake(submission) if self.calls == 2 else super().submit(submission))

    async with start(Broken, image_localization=True) as proxy, proxy.chat(model="toy", n=3) as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]
    assert (content.count("]("), content.count("could not be made. Internal server error.")) == (2, 1)
    assert "HOSTILE" not in content
