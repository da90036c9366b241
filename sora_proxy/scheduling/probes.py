"""Probes: free calls that test whether a rate-limited key works again, before an order is risked on it."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sora_proxy.background import start_task
from sora_proxy.errors import EgressFault, Fault, KeyFault, UpstreamFault, UpstreamUnavailable
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.accounts import Account

log = structlog.get_logger(__name__)


class Probes:
    """Makes at most one probe per key at a time. `call` makes a probe, and raises Fault if the probe fails."""

    def __init__(self, call: Callable[[Account], Awaitable[None]], keys: KeyPool) -> None:
        self._keys = keys
        # All the mutable state: the call, which changes with the configuration, and the probes under way.
        self.call = call
        self._running: dict[Key, asyncio.Task[None]] = {}

    def start(self, key: Key) -> None:
        """Test whether a key works, and report the outcome to the pool."""
        if key not in self._running:
            self._running[key] = start_task(self._probe(key), name=f"probe {key.alias}", shared=True)

    async def close(self) -> None:
        """End all probes."""
        running = list(self._running.values())
        for probe in running:
            probe.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _probe(self, key: Key) -> None:
        fault: Fault | None = None
        account = self._keys.account(key)
        try:
            await self.call(account)
            self._keys.succeeded(key, account)
        except Fault as error:
            fault = error
            log.info("probe failed", key=key.alias, reason=str(error))
        except Exception:
            # A bug in reading one answer must not keep the key out of service permanently.
            log.exception("probe crashed", key=key.alias)
            fault = UpstreamUnavailable("Internal error in a probe.")
        finally:
            del self._running[key]
        if isinstance(fault, KeyFault | EgressFault | UpstreamFault):
            self._keys.report(key, fault)
        else:  # the probe succeeded, or its fault proves nothing about the key
            self._keys.proven(key)
