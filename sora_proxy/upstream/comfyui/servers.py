"""Servers: what each ComfyUI can make with the workflows, as its nodes and model files are now."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import RateLimited, RequestFault, UpstreamUnavailable
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Abilities, Capabilities
from sora_proxy.upstream.comfyui.answers import version_in
from sora_proxy.upstream.comfyui.calls import Calls
from sora_proxy.upstream.comfyui.graphs import fitted, models_of, problems_of
from sora_proxy.upstream.comfyui.workflows import Workflow, WorkflowFolder

log = structlog.get_logger(__name__)

FIRST_WITH_OUR_IDS = (0, 3, 45)
# Between two times that servers are asked; also, for how long one gets no orders of a model that only others have.
ASK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """What a server can do: the workflows that run there and their models. `read` are those that it was tried with."""

    read: Mapping[str, Workflow]
    workflows: Mapping[str, Workflow]
    models: Mapping[str, Abilities]
    problems: Mapping[str, str]


class Servers:
    """Asks servers what they have, and compares that with the files of the folder, whenever they change."""

    def __init__(self, folder: WorkflowFolder, calls: Calls, threads: BlockingPool) -> None:
        self._folder = folder
        self._calls = calls
        self._threads = threads
        # All the mutable state: what is known of servers by their addresses, the workflows that models were of, and
        # when a server was asked for them last.
        self._known: dict[str, Known] = {}
        self._offered: Mapping[str, Workflow] | None = None
        self._asked_at = -math.inf

    async def may_have_changed(self) -> bool:
        """Whether a workflow's file changed since its models were asked for, or files of a server may have."""
        await self._read()
        return self._offered is not self._folder.workflows or time.monotonic() >= self._asked_at + ASK_SECONDS

    async def capabilities(self, account: Account) -> Capabilities:
        """What a server can do now. Raises Fault."""
        self._asked_at = time.monotonic()
        known = await self._ask(account)
        self._offered = known.read
        return Capabilities(known.models)

    async def workflows(self, account: Account, model: str) -> Mapping[str, Workflow]:
        """The workflows that run on a server, of which one is for this model.

        Raises RateLimited if only other servers have it, RequestFault if none has, or another Fault.
        """
        await self._read()
        known = self._known.get(self._calls.base(account))
        if known is None or known.read is not self._folder.workflows:
            known = await self._ask(account)
        if model in known.models:
            return known.workflows
        if any(model in other.models for other in self._known.values()):
            raise RateLimited("The server does not have the model.", retry_after=ASK_SECONDS, family=model)
        raise RequestFault("The back end no longer serves this model.", code="model_unavailable")

    def forget(self, account: Account) -> None:
        """Ask a server again before its next order: it does not have what it said."""
        self._known.pop(self._calls.base(account), None)

    async def _read(self) -> None:
        if await self._threads.run(Work.media, self._folder.read):
            for name, reason in self._folder.faults.items():
                log.warning("workflow ignored", workflow=name, reason=reason)

    async def _ask(self, account: Account) -> Known:
        """Only the classes of nodes that the workflows have: a description of all can take seconds and many MB."""
        await self._read()
        version = version_in(await self._calls.get(account, "/system_stats"))
        if version is not None and version < FIRST_WITH_OUR_IDS:
            raise UpstreamUnavailable("The server's ComfyUI is too old. It must be 0.3.45 or newer.")
        read = self._folder.workflows
        info: dict[str, Any] = {}
        classes = {str(node["class_type"]) for workflow in read.values() for node in workflow.graph.values()}
        for name in sorted(classes):
            info |= await self._calls.get(account, f"/object_info/{quote(name, safe='')}")
        problems = {name: problem for name, each in read.items() if (problem := problems_of(each, info)) is not None}
        workflows = {name: fitted(each, info) for name, each in read.items() if name not in problems}
        known = Known(read, workflows, models_of(workflows), problems)
        self._note(self._calls.base(account), known)
        return known

    def _note(self, server: str, known: Known) -> None:
        before = self._known.get(server)
        self._known[server] = known
        for name, reason in known.problems.items():
            if before is None or before.problems.get(name) != reason:
                log.warning("workflow not supported by server", workflow=name, server=server, reason=reason)
