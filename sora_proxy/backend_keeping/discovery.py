"""Discovery: asks the back ends for their capabilities, at startup and then at regular intervals.

The answers are stored, so that a back end's models are offered even while its server can't be reached. A back end
that has not answered yet is asked more often.
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

RETRY_SECONDS = 10.0  # between calls to a back end that has not answered yet
REFRESH_SECONDS = 300.0  # between calls to a back end that has answered


class Keep(Protocol):
    """Stores the capabilities of a back end. `complete`: whether all of its servers answered."""

    async def __call__(self, name: str, capabilities: Capabilities, *, complete: bool) -> None: ...


class Discovery:
    """Asks each server of each back end, with one of the server's keys. `keep` is called with a back end's name and its
    capabilities.

    `explain` is called with a back end's name and the reason why the back end did not answer, or None if it answered.
    """

    def __init__(self, backends: Backends, keep: Keep, explain: Callable[[str, str | None], None]) -> None:
        self._backends = backends
        self._keep = keep
        self._explain = explain
        # All the mutable state, by the names of back ends: the time of the last answer, and why the last call failed.
        self._answered: dict[str, float] = {}
        self._faults: dict[str, str] = {}

    def fault_of(self, name: str) -> str | None:
        """The reason why a back end's last call failed; None if it succeeded."""
        return self._faults.get(name)

    async def run(self) -> None:
        """Ask each back end when it is due. If no server of a back end can be reached, test its servers."""
        while True:
            for backend in self._backends.all:
                backend.probe_servers()
            await asyncio.gather(*(self._refresh(backend) for backend in self._backends.all))
            await asyncio.sleep(RETRY_SECONDS)

    async def ask(self, backend: Backend) -> None:
        """Ask all servers of a back end for their capabilities now. The models of a server that does not answer stay
        listed.

        Raises StorageUnavailable, or the Fault of one of the servers if none of them answers.
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
            together = functools.reduce(Capabilities.together_with, answers)
            await self._keep(backend.name, together, complete=not faults)
            self._answered[backend.name] = backend.keys.now

    async def _is_due(self, backend: Backend) -> bool:
        """Whether to ask a back end now. It is not asked while every key would use a server or an egress that is
        cooling down."""
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
            if self._faults.get(backend.name) != str(error):
                log.warning("model listing failed", backend=backend.name, reason=str(error))
            self._faults[backend.name] = str(error)
            self._explain(backend.name, str(error))
        except Exception:
            # A bug in reading one back end's answer must not prevent calls to the others.
            log.exception("model listing crashed", backend=backend.name)
        else:
            self._faults.pop(backend.name, None)
            self._explain(backend.name, None)

    async def _answer(self, backend: Backend, key: Key) -> Capabilities:
        """The capabilities of one server. If the server can't be reached, this is reported to the pool, so that orders
        use other servers at once."""
        account = backend.keys.account(key)
        try:
            return await backend.upstream.ask_capabilities(account)
        except (EgressFault, ServerUnreachable) as fault:
            backend.keys.report(key, fault)
            raise


def _a_key_of_each_server(backend: Backend) -> list[Key]:
    servers = {key.config.base_url: key for key in backend.keys.keys if key.in_service}
    return list(servers.values())
