"""The delivery of webhooks from the outbox: when it is retried or given up, and which addresses are never called."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from sora_proxy.background import Background
from sora_proxy.blocking import BlockingPool
from sora_proxy.database import Database
from sora_proxy.foreign.public_http import PublicHttp
from sora_proxy.webhooks.deliverer import DELAYS, JITTER, MAX_SENDING_PER_HOST, Deliverer
from sora_proxy.webhooks.outbox import Message, Outbox, outbox
from tests.addresses import ELSEWHERE, LOOPBACK
from tests.eventually import PATIENCE, eventually
from tests.receiver import SECRET, Answer, Receiver, hang, hang_up, serve_receiver, status


@dataclass
class Post:
    """An outbox and its deliverer."""

    database: Database
    outbox: Outbox

    async def put(self, address: str, host: str = "127.0.0.1", attempts: int = 0, wait: float = 0.0) -> str:
        """Put a message that is due in this many seconds into the outbox; returns its id."""
        number = len(await self.messages())
        message = Message(f"msg_{number}", f"chatcmpl-{number}", address, host, "{}", attempts, time.time() + wait)
        await self.database.write(lambda connection: connection.execute(outbox.insert(), asdict(message)))
        return message.id

    @asynccontextmanager
    async def delivering(
        self, *allowed: str, anywhere: bool = False, delays: Sequence[float] = DELAYS
    ) -> AsyncIterator[Deliverer]:
        http = PublicHttp("the webhook's address", allowed, ["https"] if anywhere else [])
        deliverer = Deliverer(self.outbox, http, Webhook(SECRET), delays)
        async with Background().running(webhooks=deliverer.run):
            yield deliverer

    async def messages(self) -> list[Message]:
        columns = [outbox.c[name] for name in Message.__slots__]
        rows = await self.database.read(
            lambda connection: connection.execute(outbox.select().with_only_columns(*columns)).all()
        )
        return [Message(*row) for row in rows]

    async def until_tried(self, attempts: int = 1) -> list[Message]:
        """Wait until no delivery is running and each message has had this many attempts; returns the messages."""

        async def look() -> bool:
            messages = await self.messages()
            return all(message.attempts >= attempts for message in messages) and not self._held(messages)

        await eventually(look)
        return await self.messages()

    @staticmethod
    def _held(messages: list[Message]) -> bool:
        """Whether a delivery is running. If so, its message is due sooner than a message whose delivery has failed."""
        return any(message.due_at < time.time() + 50 for message in messages)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    pool = BlockingPool()
    database = await asyncio.to_thread(lambda: Database(tmp_path / "outbox.db", pool))
    await database.open()
    yield Post(database, Outbox(database))
    await database.close()
    pool.close()


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 201, 204, 299, 410])
async def test_a_message_answered_with_success_or_410_is_never_sent_again(
    post: Post, receiver: Receiver, code: int
) -> None:
    receiver.answers = [status(code)]
    await post.put(receiver.url)
    async with post.delivering(receiver.host, delays=(0.0, 0.0)):
        assert await post.until_tried() == []
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [*(status(code) for code in (300, 304, 400, 401, 404, 409, 429, 500, 502, 503)), hang_up],
    ids=lambda answer: getattr(answer, "__name__", "answer"),
)
async def test_a_message_answered_with_neither_success_nor_410_is_retried_after_a_jittered_pause(
    post: Post, receiver: Receiver, answer: Answer
) -> None:
    receiver.answers = [answer]
    await post.put(receiver.url)
    begun = time.time()
    async with post.delivering(receiver.host, delays=(100.0,)):
        (message,) = await post.until_tried()
    assert message.attempts == 1
    assert begun + 100 <= message.due_at <= time.time() + 100 * (1 + JITTER)


async def test_a_redirect_is_not_followed_and_counts_as_a_failure(post: Post, receiver: Receiver) -> None:
    async with serve_receiver() as elsewhere:
        receiver.answers = [status(code, location=elsewhere.url) for code in (301, 302, 303, 307, 308)]
        for _ in range(5):
            await post.put(receiver.url)
        async with post.delivering(receiver.host, elsewhere.host, delays=(100.0,)):
            assert len(await post.until_tried()) == 5
        assert elsewhere.calls == []


async def test_a_message_is_retried_when_its_receiver_does_not_answer_in_time(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.foreign.public_http.TIMEOUT_SECONDS", 0.2)
    receiver.answers = [hang]
    await post.put(receiver.url)
    async with post.delivering(receiver.host, delays=(100.0,)):
        (message,) = await post.until_tried()
    assert message.attempts == 1


async def test_a_message_is_retried_when_its_receiver_cannot_be_reached(post: Post) -> None:
    async with serve_receiver() as receiver:
        pass
    await post.put(receiver.url)
    async with post.delivering(receiver.host, delays=(100.0,)):
        (message,) = await post.until_tried()
    assert message.attempts == 1


async def test_a_delivery_does_not_wait_for_the_body_of_the_answer(post: Post, receiver: Receiver) -> None:
    hung_up = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(2**16))
        finally:
            hung_up.set()

    receiver.answers = [endless]
    await post.put(receiver.url)
    async with post.delivering(receiver.host):
        assert await post.until_tried() == []
        async with asyncio.timeout(PATIENCE):
            await hung_up.wait()


# --- Times -----------------------------------------------------------------------------------------------------------


async def test_a_failing_message_is_retried_with_the_same_id_and_finally_given_up(
    post: Post, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    delays = (0.05, 0.1, 0.2)
    receiver.answers = [status(500)] * 10
    message_id = await post.put(receiver.url)
    times = []
    async with post.delivering(receiver.host, delays=delays):
        for calls in range(1, 5):
            await receiver.until(calls)
            times.append(time.monotonic())
        assert await post.until_tried() == []
    assert [call.id for call in receiver.calls] == [message_id] * 4
    for call in receiver.calls:
        await call.verify()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= delay * 0.9 for gap, delay in zip(gaps, delays, strict=True))

    async def it_is_logged() -> bool:
        return "webhook delivery given up" in caplog.text

    await eventually(it_is_logged)


def test_the_pauses_between_retries_grow_and_span_more_than_a_day() -> None:
    assert list(DELAYS) == sorted(DELAYS)
    assert sum(DELAYS) > 24 * 3600


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("500", 500, 510),
        ("a date", 4990, 5001),
        ("1", 100, 126),  # at least the server's own pause
        ("99999999", 86_400, 86_401),  # at most a day
        ("soon", 100, 126),
    ],
)
async def test_a_receiver_can_request_a_longer_pause_before_the_next_attempt(
    post: Post, receiver: Receiver, asked: str, least: float, most: float
) -> None:
    if asked == "a date":
        asked = formatdate(time.time() + 5000, usegmt=True)
    begun = time.time()
    receiver.answers = [status(503, retry_after=asked)]
    await post.put(receiver.url)
    async with post.delivering(receiver.host, delays=(100.0,)):
        (message,) = await post.until_tried()
    assert begun + least - 1 <= message.due_at <= time.time() + most


async def test_a_message_is_sent_when_due_even_if_nothing_wakes_the_deliverer(post: Post, receiver: Receiver) -> None:
    due = time.monotonic() + 0.3
    await post.put(receiver.url, wait=0.3)
    async with post.delivering(receiver.host):
        await receiver.until(1)
    assert time.monotonic() >= due - 0.01


async def test_a_message_added_to_a_running_deliverer_is_sent_at_once(post: Post, receiver: Receiver) -> None:
    async with post.delivering(receiver.host) as deliverer:
        for calls in (1, 2):
            await post.put(receiver.url)
            deliverer.wake()
            await receiver.until(calls)
            assert await post.until_tried() == []


async def test_a_message_whose_delivery_is_interrupted_stays_in_the_outbox(post: Post, receiver: Receiver) -> None:
    receiver.answers = [hang]
    await post.put(receiver.url)
    async with post.delivering(receiver.host):
        await receiver.until(1)
    (message,) = await post.messages()
    assert message.attempts == 1


async def test_a_hanging_host_does_not_block_deliveries_to_other_hosts(post: Post, receiver: Receiver) -> None:
    async with serve_receiver() as other:
        receiver.answers = [hang] * 20
        for _ in range(20):
            await post.put(receiver.url)
        await post.put(f"http://localhost:{other.port}/", host="localhost")
        async with post.delivering(receiver.host, f"localhost:{other.port}"):
            await other.until(1)
            await receiver.until(MAX_SENDING_PER_HOST)
            assert receiver.open == len(receiver.calls) == MAX_SENDING_PER_HOST


# --- Addresses that are never called ----------------------------------------------------------------------------------


async def test_an_address_that_is_not_public_is_never_called_however_it_is_spelled(
    post: Post, receiver: Receiver
) -> None:
    for place in (*LOOPBACK, *ELSEWHERE):
        await post.put(f"https://{place}:{receiver.port}/", host=place)
        await post.put(f"https://{place}/", host=place)
    connections = 0

    def heard(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    canary = await asyncio.start_server(heard, "127.0.0.1", 0)
    for place in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        await post.put(f"https://{place}:{canary.sockets[0].getsockname()[1]}/", host=place)
    async with canary, post.delivering(anywhere=True, delays=(100.0,)):
        messages = await post.until_tried()
    assert len(messages) == 2 * len([*LOOPBACK, *ELSEWHERE]) + 3
    assert connections == 0
    assert receiver.calls == []


async def test_a_host_that_is_no_longer_allowed_is_not_called(post: Post, receiver: Receiver) -> None:
    await post.put(receiver.url)
    async with post.delivering("hooks.example.com", delays=(100.0,)):
        (message,) = await post.until_tried()
    assert message.attempts == 1
    assert receiver.calls == []
