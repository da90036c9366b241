"""A stage: the facts about a back end that the contract needs, and its server."""

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from sora_proxy.upstream import Identity
from tests.contract.received import Received
from tests.contract.script import Script


class Stage(Protocol):
    """A server with the protocol of a back end. Every stage inherits from this class, including the defaults.

    `registered` counts the orders that the server began to make, and `uploaded` counts the input images that arrived
    before their orders. Both are properties, or class attributes that start at 0. With `refuses`, the server refuses
    every order as a violation of its rules; with `fails`, accepted orders fail.
    """

    # Facts about the back end.
    model: str  # the back end's own name for a model that it serves
    identity: Identity
    options: Mapping[str, Any] = {}  # the options in the back end's entry of BACKENDS
    shows_previews: bool = True
    refusal_code: str = "content_policy_violation"  # the error code of a refused order
    single_calls: bool = False  # an order for several images becomes one call per image

    # The current state of the back end's server.
    url: str  # known once the server is running
    script: Script  # what happens at each step
    refuses: bool = False
    fails: bool = False
    received: Received  # the contents of the last order

    @property
    def registered(self) -> int: ...

    @property
    def uploaded(self) -> int:
        return 0

    async def start(self) -> web.AppRunner: ...

    def forget(self) -> None:
        """Lose every job, as if the server restarted. A synchronous server has no jobs."""

    async def show(self, preview: bytes | None) -> None:
        """Show this preview of the running jobs; with None, end the jobs. Called only if the back end has previews."""
