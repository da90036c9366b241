"""A stage: the facts about a back end that the contract needs, and its server."""

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from sora_proxy.upstream import Identity
from tests.contract.received import Received
from tests.contract.script import Script


class Stage(Protocol):
    """A server with the protocol of a back end. Every stage inherits from this class, and with it the defaults.

    `registered` counts the orders that the server began to make, `uploaded` the input images that came before an order:
    each is a property, or a class attribute of 0 to begin with. `refuses` makes the server refuse orders as against its
    rules, `fails` makes accepted orders fail.
    """

    # Of the back end.
    model: str  # one that it serves, by its own name
    identity: Identity
    options: Mapping[str, Any] = {}  # in its entry of BACKENDS
    shows_previews: bool = True
    refusal_code: str = "content_policy_violation"  # of an order that it refuses
    single_calls: bool = False  # an order for several images is as many orders for one

    # The present state of its server.
    url: str  # known once it runs
    script: Script  # what happens at each step
    refuses: bool = False
    fails: bool = False
    received: Received  # with the last order

    @property
    def registered(self) -> int: ...

    @property
    def uploaded(self) -> int:
        return 0

    async def start(self) -> web.AppRunner: ...

    def forget(self) -> None:
        """Lose every job, as a restart does. A synchronous server has no jobs."""

    async def show(self, preview: bytes | None) -> None:
        """Show this preview of the running jobs; None: end them. Only called if the back end shows previews."""
