"""Discovery: asks back ends what they can do, at the start and from time to time.

What a back end answered is stored, so that its models are served while its server can't be reached. A back end that has
not answered yet is asked more often.
"""

import asyncio
import functools
import math
from collections.abc import Callable
from typing import Protocol

import structlog

from sora_proxy.errors import EgressFault, Fault, ServerUnreachable, StorageUnavailable
from sora_proxy.orders.backend import Backend
from sora_proxy.orders.backends import Backends
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Capabilities

log = structlog.get_logger(__name__)

RETRY_SECONDS, REFRESH_SECONDS = 10.0, 300.0  # between calls to a back end that has not answered, and that has


class Keep(Protocol):
    """Stores what a back end can do; `complete`: all of its servers answered."""

    async def __call__(self, name: str, capabilities: Capabilities, *, complete: bool) -> None: ...


class Discovery:
    """Asks the back ends, each by one key of each of its servers. `keep` gets the name of one and what it can do,
    `explain` why it does not answer; None: it does."""

    def __init__(self, backends: Backends, keep: Keep, explain: Callable[[str, str | None], None]) -> None:
        self._backends = backends
        self._keep = keep
        self._explain = explain
        # All the mutable state, by the names of back ends: when each answered last, and why, if it did not last time.
        self._answered: dict[str, float] = {}
        self._silent: dict[str, str] = {}

    def why_silent(self, name: str) -> str | None:
        """Why a back end did not answer when it was asked last; None if it did."""
        return self._silent.get(name)

    async def run(self) -> None:
        """Ask each back end when it is time."""
        while True:
            await asyncio.gather(*(self._refresh(backend) for backend in self._backends.all))
            await asyncio.sleep(RETRY_SECONDS)

    async def ask(self, backend: Backend) -> None:
        """Ask a back end now. Models of a server that does not answer stay.

        Raises the Fault for which none of its servers answered, or StorageUnavailable.
        """
        outcomes = await asyncio.gather(
            *(self._answer(backend, key) for key in _a_key_of_each_server(backend)), return_exceptions=True
        )
        answers = [outcome for outcome in outcomes if isinstance(outcome, Capabilities)]
        faults = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for fault in faults:
            if not answers or not isinstance(fault, Fault):
                raise fault
        if answers:
            together = functools.reduce(Capabilities.with_models_of, answers)
            await self._keep(backend.name, together, complete=not faults)
            self._answered[backend.name] = backend.keys.now

    async def _is_due(self, backend: Backend) -> bool:
        """A server that is cooling down is left to the orders that try it, whose outcome decides about others."""
        now = backend.keys.now
        is_fresh = now - self._answered.get(backend.name, -math.inf) <= REFRESH_SECONDS
        if is_fresh and not await backend.upstream.may_have_changed():
            return False
        return any(key.reachable(now) for key in _a_key_of_each_server(backend))

    async def _refresh(self, backend: Backend) -> None:
        try:
            if not await self._is_due(backend):
                return
            await self.ask(backend)
        except (Fault, StorageUnavailable) as error:
            if self._silent.get(backend.name) != str(error):
                log.warning("model listing failed", backend=backend.name, reason=str(error))
            self._silent[backend.name] = str(error)
            self._explain(backend.name, str(error))
        except Exception:
            # A mistake of ours in reading the answer of one back end must not keep the others from being asked.
            log.exception("model listing crashed", backend=backend.name)
        else:
            self._silent.pop(backend.name, None)
            self._explain(backend.name, None)

    async def _answer(self, backend: Backend, key: Key) -> Capabilities:
        """What one server can do. That it can't be reached is noted, so that orders go elsewhere at once."""
        account = backend.keys.account(key)
        try:
            return await backend.upstream.ask_capabilities(account)
        except (EgressFault, ServerUnreachable) as fault:
            backend.keys.report(key, fault)
            raise


def _a_key_of_each_server(backend: Backend) -> list[Key]:
    servers = {key.config.base_url: key for key in backend.keys.keys if key.in_service}
    return list(servers.values())
