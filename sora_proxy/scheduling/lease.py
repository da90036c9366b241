"""Lease: an order's right to one or several tasks of a key, and the slots and the intent that belong to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from sora_proxy.errors import Fault, KeyFault, RateLimited, RequestFault
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.accounts import Account


@dataclass(frozen=True, slots=True)
class LeaseCallbacks:
    """The functions of the pool that leases call."""

    report: Callable[[Key, Fault, str], None]  # a fault, and the id of the generation that encountered it
    served: Callable[[Key, Account], None]  # the back end accepted an order of this account
    limited: Callable[[Key, RateLimited], None]  # the key's last order was accepted, but the key is at its rate limit
    reached: Callable[[Account], None]  # the back end answered a call of this account
    changed: Callable[[Key], None]
    task_ended: Callable[[float], None]  # the duration of a task without a fault, in seconds


class Lease:
    """The right to a task on `key`, or to several after `widen`, while the context is open. A Fault that leaves the
    context changes the health of the key."""

    def __init__(
        self, key: Key, generation_id: str, callbacks: LeaseCallbacks, *, intent_open: bool, takes_slot: bool
    ) -> None:
        self.key = key
        self.generation_id = generation_id
        self._callbacks = callbacks
        # All the mutable state: the task's intent, calls and slots, and the account with which its order was sent.
        self._intent_open = intent_open
        self._calls = 1
        self._slots: list[float] = []  # the times of its calls in the key's rate window
        self._account: Account | None = None
        self._since = self._now()
        key.begin_task()
        if takes_slot:
            self._take_slot()
        if intent_open:
            key.open_intent()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._intent_open and self._account is not None and isinstance(error, KeyFault | RequestFault):
            self._callbacks.reached(self._account)  # the back end answered, although with a refusal
        if isinstance(error, Fault):
            self._callbacks.report(self.key, error, self.generation_id)
        elif error is None:
            self._callbacks.task_ended(self._now() - self._since)
        self.end()

    def widen(self, wanted: int) -> int:
        """Occupy the key for up to `wanted` calls, as many as it has room for. Returns the number of calls."""
        for _ in range(min(wanted - 1, self.key.room(self._now()))):
            self.key.begin_task()
            self._take_slot()
            self.key.count_grant(self.key.share)
            self._calls += 1
        self._callbacks.changed(self.key)
        return self._calls

    def narrow(self, refused: int) -> None:
        """Stop occupying the key for calls that were not accepted. The lease keeps at least one call."""
        for _ in range(min(refused, self._calls) - 1):
            self.key.end_task()
            self._calls -= 1

    def report(self, fault: Fault) -> None:
        """Apply the fault of one of several calls. The lease does not end."""
        self._callbacks.report(self.key, fault, self.generation_id)

    def sending(self) -> Account:
        """The account with which the order is sent now. From now on the order counts against the rate, even if it is
        refused."""
        self._account = self.key.account(self._now())
        return self._account

    def accepted(self, limit: RateLimited | None = None) -> None:
        """Let the key take the next order, because the outcome of this one is on disk. `limit` is a rate limit
        that the answer reported."""
        if self._intent_open:
            self._close_intent()
            if self._account is not None:
                self._callbacks.served(self.key, self._account)
            if limit:
                self._callbacks.limited(self.key, limit)
            self._callbacks.changed(self.key)

    def end(self) -> None:
        """Release the key, since the back end no longer counts the task."""
        if self._intent_open:
            self._close_intent()
        for _ in range(self._calls):
            self.key.end_task()
        self._callbacks.changed(self.key)

    def _close_intent(self) -> None:
        """Close the intent. A sent order counts against the rate from now on, because it may have arrived only
        now."""
        self._intent_open = False
        self.key.close_intent()
        if self._account is not None:
            self.key.restamp_slots(self._slots, self._now())
        else:
            self.key.return_slots(self._slots)

    def _take_slot(self) -> None:
        self._slots.append(self._now())
        self.key.take_slot(self._slots[-1])

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
