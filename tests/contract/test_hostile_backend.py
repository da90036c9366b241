"""A hostile back end affects only its own orders, however it answers.

Each test runs the server as a process in front of one or more hostile back ends and an honest one, with orders at all
of them at the same time. The orders at the honest back end have to be completed, the orders at the hostile ones have to
end, and no text of a hostile back end may be shown to anyone.
"""

import asyncio
import base64
import contextlib
import gzip
import json
import random
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Killable, killable
from tests.contract.hostile import MARK, Attack, Hostile, Pieces, Task
from tests.eventually import eventually
from tests.scripted import Serve, Server, answer_all
from tests.sora_server import GIF

ADMIN_KEY = "sk-admin-key-of-the-tests"
HONEST_ORDERS = 3
MAX_THREADS = 16  # the most threads that may download images, for all orders together
MIB = 2**20
MAX_GROWTH_MIB = 250  # the growth of the server's memory while the back ends are sending 1.5 GB
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b" " * 2**16 + b"\r\n"
SEEN_BY_CLIENTS = ("/v1/generations?limit=100", "/v1/models", "/health/ready")
SEEN_BY_OPERATORS = tuple(f"/admin/api/{name}" for name in ("keys", "generations", "queue", "usage", "audit"))


@dataclass
class Siege:
    """A server between clients and hostile back ends, and the outcomes of their orders."""

    server: Killable
    hostile: Hostile
    canary: Server  # on a private address, which no request may reach
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the name of the back end

    async def orders_at(self, names: Iterable[str]) -> None:
        """Place an order at each of these back ends, and meanwhile orders at the honest one. Wait until all have
        ended."""
        placed = {name: await self.server.order(name) for name in names}
        await self.honest_orders()
        self.ends = {name: await self.server.ended(generation_id) for name, generation_id in placed.items()}

    async def honest_orders(self) -> None:
        for _ in range(HONEST_ORDERS):
            honest = await self.server.ended(await self.server.order("honest"))
            assert (honest["status"], len(self.stored(honest))) == ("completed", 1), honest

    def stored(self, end: dict[str, Any]) -> list[str]:
        """The images of an order that our server stores."""
        return [link for link in end["pictures"] if link.startswith(f"{self.server.program.url}/images/")]

    def results(self) -> dict[str, int | str]:
        """For each back end, the number of images that our server stores, the code of the error, or the links."""
        return {
            name: end["error"]["code"] if end["error"] else len(self.stored(end)) or f"linked {end['pictures']}"
            for name, end in self.ends.items()
        }

    async def assert_nothing_is_shown(self) -> None:
        """Assert that no text of the back ends reaches clients, operators or the log."""
        url, operator = self.server.program.url, {"authorization": f"Bearer {ADMIN_KEY}"}
        paths = [*SEEN_BY_CLIENTS]
        for end in self.ends.values():
            paths += [f"/v1/generation/{end['id']}", f"/v1/generation/{end['id']}/events"]
        for path, headers in [*((path, {}) for path in paths), *((path, operator) for path in SEEN_BY_OPERATORS)]:
            async with self.server.client.get(url + path, headers=headers) as answer:
                assert answer.status == 200, path
                assert "HOSTILE" not in f"{answer.headers}\n{await answer.text()}", path
        for line in (await asyncio.to_thread(lambda: self.server.program.log)).splitlines():
            assert json.loads(line)["event"]
            assert line.isascii()
            assert line.isprintable()
            assert "HOSTILE" not in line


def peak_memory(server: Killable) -> float:
    """The peak of the process's memory so far, in MiB."""
    status = Path(f"/proc/{server.program.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


@pytest.fixture
def canary(serve: Serve) -> Server:
    return serve(answer_all)


Besiege = Callable[..., AbstractAsyncContextManager[Siege]]


@pytest.fixture
def besiege(tmp_path: Path, serve: Serve, canary: Server) -> Besiege:
    """Start a server with hostile back ends, whose attacks are given by name, and with an honest one."""

    @contextlib.asynccontextmanager
    async def start(attacks: Mapping[str, Attack], **settings: str) -> AsyncIterator[Siege]:
        hostile = Hostile(serve, attacks)
        backends = [
            {"name": name, "kind": "sora", "base_url": hostile.url_of(name), "models": {name: "sora-1.0"}}
            for name in ("honest", *attacks)
        ]
        options = {"ADMIN_KEY": ADMIN_KEY, "SETTLE_TIME": "0.3", "LOG_FORMAT": "json", "IMAGE_LOCALIZATION": "True"}
        async with killable(tmp_path, **options | settings, BACKENDS=json.dumps(backends)) as server:
            yield Siege(server, hostile, canary)
        assert canary.requests == []

    return start


# --- Unreadable answers -----------------------------------------------------------------------------------------------


def as_json(text: bytes) -> bytes:
    return OK + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text) + text


def unreadable(canary: int) -> dict[str, Pieces]:
    texts = {"id": {MARK: MARK}, "error": {"code": MARK, "message": MARK}, "task_responses": MARK}
    garbage = random.Random(1).randbytes(2**16)
    bomb = gzip.compress(bytes(100 * MIB), 1)
    away = f"location: http://127.0.0.1:{canary}/\r\ncontent-length: 0\r\n\r\n".encode()
    return {
        "headers": lambda: [OK, *[b"x: " + b"y" * 1000 + b"\r\n"] * 1000, b"content-length: 2\r\n\r\n{}"],
        "header": lambda: [OK + b"x: " + b"y" * MIB + b"\r\ncontent-length: 2\r\n\r\n{}"],
        "cookies": lambda: [OK, *(b"set-cookie: fox%d=%060d\r\n" % (n, n) for n in range(500)), b"\r\n{}"],
        "deep-lists": lambda: [as_json(b"[" * 100_000)],
        "deep-objects": lambda: [as_json(b'{"id":' * 100_000)],
        "values": lambda: [as_json(b"[" + b"{}," * 2_500_000 + b"{}]")],
        "rows": lambda: [as_json(b'{"task_responses": [' + b'{"id":"1"},' * 90_000 + b"{}]}")],
        "large": lambda: [CHUNKED, *[CHUNK] * (300 * MIB // 2**16)],
        "garbage": lambda: [garbage],
        "garbage-as-json": lambda: [as_json(garbage)],
        "too-short": lambda: [OK + b"content-length: 1000\r\n\r\n{}"],
        "too-long": lambda: [OK + b'content-length: 1\r\n\r\n{"id": "task_9"}'],
        "negative": lambda: [OK + b"content-length: -1\r\n\r\n{}"],
        "lengths": lambda: [OK + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}"],
        "no-length": lambda: [OK + b"content-length: fox\r\n\r\n{}"],
        "bomb": lambda: [OK + b"content-encoding: gzip\r\n\r\n" + bomb],
        "texts": lambda: [as_json(json.dumps(texts).encode())],
        "reason": lambda: [f"HTTP/1.1 500 {MARK}\r\ncontent-length: 2\r\n\r\n{{}}".encode()],
        "redirect": lambda: [b"HTTP/1.1 302 Found\r\n" + away],
    }


async def test_orders_are_completed_with_little_memory_even_after_unreadable_answers(
    besiege: Besiege, canary: Server
) -> None:
    attacks = {name: Attack(pieces) for name, pieces in unreadable(canary.port).items()}
    async with besiege(attacks) as it:
        before = await asyncio.to_thread(peak_memory, it.server)
        await it.orders_at(attacks)
        assert it.results() == dict.fromkeys(attacks, 1)
        grown = await asyncio.to_thread(peak_memory, it.server) - before
        assert grown < MAX_GROWTH_MIB
        await it.assert_nothing_is_shown()
        assert not any(request.headers["cookie"] for request in it.hostile.requests)


async def test_an_endless_body_does_not_delay_other_back_ends(besiege: Besiege) -> None:
    stop = threading.Event()

    def drip() -> Iterator[bytes]:
        yield CHUNKED
        while not stop.wait(0.1):
            yield b"1\r\nx\r\n"

    def four_images(task: Task, _number: int) -> list[Task]:
        return [task | {"generations": task["generations"] * 4}]

    attack = Attack(drip, kinds=("media",), times=1000, rows=four_images)
    async with besiege({"slow": attack}) as it:
        for _ in range(MAX_THREADS // 4 + 1):
            await it.server.order("slow", n=4)

        async def all_threads_are_busy() -> bool:
            return sum("/media/" in request.path for request in it.hostile.requests) >= MAX_THREADS

        await eventually(all_threads_are_busy)
        await it.honest_orders()
        stop.set()


# --- Harmful answers --------------------------------------------------------------------------------------------------


def saying(**fields: Any) -> Attack:
    """An attack that adds these fields to each task."""
    return Attack(rows=lambda task, _number: [task | fields])


async def test_texts_from_the_answers_of_a_back_end_are_never_shown(besiege: Besiege) -> None:
    error = {"code": MARK, "message": MARK, "type": MARK}
    result = {"id": MARK, "url": MARK, "encodings": {"source": {"path": MARK}}, MARK: MARK}
    everywhere = {MARK: MARK, "title": MARK, "error": error, "failure_reason": MARK, "moderation_result": MARK}
    attacks = {
        "odd-states": Attack(rows=lambda task, number: [task | everywhere | ({"status": MARK} if number < 3 else {})]),
        "failed": saying(**everywhere, status="failed"),
        "refused": saying(**everywhere | {"status": "failed", "moderation_result": {"type": "failed", "reason": MARK}}),
        "results": saying(**everywhere, generations=[result]),
        "other-tasks": Attack(rows=lambda task, _: [*[everywhere | {"id": MARK, "status": "succeeded"}] * 50, task]),
        "id": Attack(submitted={"id": MARK}),
        "code": Attack(lambda: [as_json(json.dumps({"error": error}).encode()).replace(b"200 OK", b"400 No")], times=1),
    }
    async with besiege(attacks) as it:
        await it.orders_at(attacks)
        assert it.results() == {
            "odd-states": 1,
            "failed": "generation_failed",
            "refused": "content_policy_violation",
            "results": "result_unavailable",
            "other-tasks": 1,
            "id": "generation_failed",
            "code": 1,
        }
        await it.assert_nothing_is_shown()


async def test_surplus_images_and_images_of_other_orders_are_not_downloaded(besiege: Besiege) -> None:
    def many(task: Task, _number: int) -> list[Task]:
        return [task | {"generations": task["generations"] * 30}]

    def of_others(task: Task, _number: int) -> list[Task]:
        address = task["generations"][0]["url"].replace("1.gif", "other.gif")
        others = [task | {"id": f"task_{n}", "generations": [{"url": address}] * 4} for n in range(100, 150)]
        return [*others, task]

    attacks = {
        "many": Attack(rows=many),
        "others": Attack(rows=of_others),
        "twice": Attack(rows=lambda task, _: [task] * 9),
    }
    async with besiege(attacks) as it:
        await it.orders_at(attacks)
        assert it.results() == dict.fromkeys(attacks, 1)
        assert sorted(request.path for request in it.hostile.requests if "/media/" in request.path) == sorted(
            [f"/{name}/media/1.gif" for name in attacks] + [f"/honest/media/{n + 1}.gif" for n in range(HONEST_ORDERS)]
        )


@pytest.mark.parametrize("stored", ["True", "False"])
async def test_private_and_unsafe_addresses_are_neither_fetched_nor_linked(
    besiege: Besiege, canary: Server, stored: str
) -> None:
    def at(address: str) -> Attack:
        return saying(generations=[{"id": "result_1", "url": address.replace("PORT", str(canary.port))}])

    attacks = {
        "loopback": at("http://127.0.0.1:PORT/secret"),
        "name": at("http://localhost:PORT/secret"),
        "number": at("http://2130706433:PORT/secret"),
        "bracketed": at("http://[::ffff:127.0.0.1]:PORT/secret"),
        "file": at("file:///etc/passwd"),
        "script": at("javascript:alert(1)"),
        "data": at("data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="),
        "no-scheme": at("//127.0.0.1:PORT/secret"),
        "password": at("http://user:secret@127.0.0.1:PORT/"),
    }
    async with besiege(attacks, IMAGE_LOCALIZATION=stored) as it:
        placed = {name: await it.server.order(name) for name in attacks}
        it.ends = {name: await it.server.ended(generation_id) for name, generation_id in placed.items()}
        assert it.results() == dict.fromkeys(attacks, "result_unavailable")


async def test_a_redirect_of_an_image_to_a_private_address_is_not_followed(besiege: Besiege, canary: Server) -> None:
    away = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{canary.port}/\r\ncontent-length: 0\r\n\r\n".encode()
    async with besiege({"redirect": Attack(lambda: [away], kinds=("media",), times=1000)}) as it:
        await it.orders_at(["redirect"])
        assert it.ends["redirect"]["pictures"] == [f"{it.hostile.url_of('redirect')}/media/1.gif"]


NUMBERS = [-5, -0.1, 1e308, "NaN", "-Infinity", "1e400", 2**63, True, [], {}, [[0]], "0x10", None]


async def test_clients_never_see_impossible_progress_values(besiege: Besiege) -> None:
    def running(task: Task, number: int) -> list[Task]:
        if number >= len(NUMBERS):
            return [task]
        fields = ("progress_pct", "progress_pos_in_queue", "estimated_queue_wait_time", "width", "height")
        return [task | {"status": "running"} | dict.fromkeys(fields, NUMBERS[number])]

    async with besiege({"numbers": Attack(rows=running)}) as it:
        await it.orders_at(["numbers"])
        assert it.results() == {"numbers": 1}
        url = f"{it.server.program.url}/v1/generation/{it.ends['numbers']['id']}/events"
        async with it.server.client.get(url) as answer:
            lines = (await answer.text()).splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    for event in events:
        assert 0 <= (event.get("percent") or 0) <= 99, event
        assert 0 < (event.get("position") or 1) <= 2**53, event
        assert 0 < (event.get("seconds") or 1) <= 2**53, event


# --- Files that are not images ----------------------------------------------------------------------------------------


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


IMAGES = {
    "huge": png(60_000, 60_000),
    "endless": png(2**31 - 1, 2**31 - 1),
    "broken": GIF[:20],
    "cut": png(8, 8)[:-20],
    "nothing": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "text": MARK.encode(),
    "base64": base64.b64encode(GIF),
}


async def test_a_file_that_is_not_an_image_is_not_stored(besiege: Besiege, tmp_path: Path) -> None:
    attacks = {name: Attack(image=image) for name, image in IMAGES.items()}
    async with besiege(attacks) as it:
        await it.orders_at(attacks)
        for name, end in it.ends.items():
            assert end["pictures"] == [f"{it.hostile.url_of(name)}/media/1.gif"]
        await it.assert_nothing_is_shown()
    assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == HONEST_ORDERS
