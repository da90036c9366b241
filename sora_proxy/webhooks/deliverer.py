"""The deliverer: sends the messages in the outbox, and repeats failed attempts at growing intervals.

A message is deleted only after its receiver has accepted it, or after the last attempt. After a crash it may be sent
again, so a receiver may get a message twice.
"""

import asyncio
import contextlib
import datetime as dt
import random
import time
from collections import Counter
from collections.abc import Sequence

import structlog
from standardwebhooks import Webhook

from sora_proxy.errors import StorageUnavailable
from sora_proxy.foreign.public_http import AddressRefused, PublicHttp
from sora_proxy.foreign.retry_after import retry_after
from sora_proxy.webhooks.outbox import Message, Outbox

log = structlog.get_logger(__name__)

# seconds to wait after each failed attempt except the last
DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
JITTER = 0.25
HOLD_SECONDS = 20.0  # longer than an attempt can take
MAX_SENDING, MAX_SENDING_PER_HOST = 16, 4  # a receiver that hangs must not delay the others
STORAGE_PAUSE_SECONDS = 5.0


class Deliverer:
    """Sends messages. `delays` are the seconds to wait after the first failure, after the second, and so on."""

    def __init__(self, outbox: Outbox, http: PublicHttp, signer: Webhook, delays: Sequence[float] = DELAYS) -> None:
        self._outbox = outbox
        self._http = http
        self._signer = signer
        self._delays = delays
        # All the mutable state: the hosts of the messages that are being sent, and whether the outbox has changed.
        self._busy: list[str] = []
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Check the outbox again, because it has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Send each message when it is due, until cancelled. A message whose attempt is interrupted is sent again."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                pause = await self._send_due(group)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()

    async def _send_due(self, group: asyncio.TaskGroup) -> float | None:
        """Start sending the messages that are due. Returns the seconds until the next message is due; None if the
        caller has to wait for a change."""
        try:
            while len(self._busy) < MAX_SENDING:
                full = [host for host, number in Counter(self._busy).items() if number >= MAX_SENDING_PER_HOST]
                message = await self._outbox.first(without=full)
                if message is None:
                    return None
                if (remaining := message.due_at - time.time()) > 0:
                    return remaining
                message = await self._outbox.hold(message, HOLD_SECONDS)
                self._busy.append(message.host)
                group.create_task(self._send(message))
        except StorageUnavailable as error:
            log.warning("webhook storage unavailable", reason=str(error))
            return STORAGE_PAUSE_SECONDS
        return None

    async def _send(self, message: Message) -> None:
        try:
            await self._attempt(message)
        except StorageUnavailable as error:
            log.warning("recording webhook delivery failed", **_facts(message), reason=str(error))
        except Exception:
            # A bug must cost only one attempt to send one message, and must not stop the deliverer.
            log.exception("webhook delivery crashed", **_facts(message))
        finally:
            self._busy.remove(message.host)
            self.wake()

    async def _attempt(self, message: Message) -> None:
        try:
            # The body of the answer is not read.
            async with self._http.request("POST", message.address, **self._signed(message)) as answer:
                status, wait = answer.status, retry_after(answer.headers) or 0.0
        except AddressRefused as refused:
            await self._failed(message, str(refused))
            return
        if 200 <= status < 300:
            await self._outbox.remove(message)
            log.info("webhook delivered", **_facts(message))
        elif status == 410:
            await self._outbox.remove(message)
            log.info("webhook receiver gone", **_facts(message))
        else:
            await self._failed(message, f"status {status}", wait)

    def _signed(self, message: Message) -> dict[str, object]:
        now = dt.datetime.now(dt.UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "sora_proxy",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.id, now, message.body),
        }
        return {"data": message.body.encode(), "headers": headers}

    async def _failed(self, message: Message, reason: str, wait: float = 0.0) -> None:
        """Schedule the next attempt, which is at least `wait` seconds away, or give the message up after the last
        attempt."""
        if message.attempts > len(self._delays):
            await self._outbox.remove(message)
            log.warning("webhook delivery given up", **_facts(message), reason=reason)
            return
        delay = self._delays[message.attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  # no secret
        await self._outbox.postpone(message, max(delay, wait))
        log.info(
            "webhook delivery failed", **_facts(message), reason=reason, seconds_until_next=round(max(delay, wait))
        )


def _facts(message: Message) -> dict[str, object]:
    """The fields of log lines about a message. Its address is left out, since it may contain a secret."""
    return {"generation": message.generation_id, "host": message.host, "attempts": message.attempts}
