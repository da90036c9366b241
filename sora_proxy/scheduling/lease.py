"""Lease: the right to one task on a key, and what of the key it holds meanwhile."""

from typing import TYPE_CHECKING, Self

from sora_proxy.errors import Fault
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.account import Account

if TYPE_CHECKING:
    from sora_proxy.scheduling.key_pool import KeyPool


class Lease:
    """The right to one task on `key` while the context is open. A Fault that leaves it tells about the key's health."""

    def __init__(self, pool: "KeyPool", key: Key, order: str, *, new: bool, intent_open: bool) -> None:
        self.key = key
        self.order = order
        self._pool = pool
        # All the mutable state: what of the key is held.
        self._intent_open = intent_open
        self._slot_taken, self._sent = new, False  # of the key's minute
        self._account = key.account(pool.now)  # that the order is sent with
        self._since = pool.now
        key.tasks += 1
        key.intents += intent_open

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Fault):
            self._pool.report(self.key, error, self.order)
        elif error is None:
            self._pool.task_ended(self._pool.now - self._since)
        self.end()

    def sending(self) -> Account:
        """The account to send the order with, now: it counts in the key's minute, even if it is refused."""
        self._sent = True
        self._account = self._pool.account(self.key)
        return self._account

    def accepted(self) -> None:
        """The order's outcome is on disk: the key may take the next one."""
        if self._intent_open:
            self._close_intent()
            if self._sent:  # it served just now, whatever it was thought to be
                self.key.rest.due = False
                self._pool.works(self.key, self._account)
            self._pool.changed(self.key)

    def end(self) -> None:
        """The task does not count upstream any more."""
        if self._intent_open:
            self._close_intent()
        self.key.tasks -= 1
        self._pool.changed(self.key)

    def _close_intent(self) -> None:
        """The upstream saw the order at some moment up to now: its minute counts from now to be safe."""
        self._intent_open = False
        self.key.intents -= 1
        if self._sent:
            self.key.window.restamp(self._pool.now)
        elif self._slot_taken:
            self.key.window.undo()
        self._slot_taken = False
