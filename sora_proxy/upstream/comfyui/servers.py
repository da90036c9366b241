"""Servers: finds out which models each ComfyUI server offers, from the workflows and the server's nodes and files."""

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
from sora_proxy.upstream import Abilities, Capabilities, Submission
from sora_proxy.upstream.comfyui.answers import version_in
from sora_proxy.upstream.comfyui.calls import Calls
from sora_proxy.upstream.comfyui.graphs import fitted, models_of
from sora_proxy.upstream.comfyui.problems import problems_of
from sora_proxy.upstream.comfyui.workflows import Workflow, WorkflowFolder

log = structlog.get_logger(__name__)

FIRST_WITH_OUR_IDS = (0, 3, 45)
# The time after which a server is queried again. A server that lacks a model gets no orders for this model for the same
# time, if another server has the model.
ASK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """The workflows that a server can run, and their models. `read` contains all workflows that were compared with the
    server, and `problems` the reasons why it can't run some of them."""

    read: Mapping[str, Workflow]
    workflows: Mapping[str, Workflow]
    models: Mapping[str, Abilities]
    problems: Mapping[str, str]

    def can_make(self, submission: Submission) -> bool:
        """Whether the server has the order's model, and the model supports the order."""
        abilities = self.models.get(submission.model)
        return abilities is not None and abilities.can_make(submission.spec)


class Servers:
    """Queries servers for their nodes and files, and compares these with the workflows whenever a workflow's file has
    changed."""

    def __init__(self, folder: WorkflowFolder, calls: Calls, threads: BlockingPool) -> None:
        self._folder = folder
        self._calls = calls
        self._threads = threads
        # All the mutable state: the known servers by address, the workflows on which the last capabilities were based,
        # and the time of the last query.
        self._known: dict[str, Known] = {}
        self._offered: Mapping[str, Workflow] | None = None
        self._asked_at = -math.inf

    async def may_have_changed(self) -> bool:
        """Whether a workflow's file has changed, or the last query is so old that a server's files may have changed."""
        await self._read()
        return self._offered is not self._folder.workflows or time.monotonic() >= self._asked_at + ASK_SECONDS

    async def capabilities(self, account: Account) -> Capabilities:
        """The current capabilities of a server. Raises Fault."""
        self._asked_at = time.monotonic()
        known = await self._ask(account)
        self._offered = known.read
        return Capabilities(known.models)

    async def workflows(self, submission: Submission) -> Mapping[str, Workflow]:
        """The workflows that the order's server can run, if they support the order.

        Raises RateLimited if only other servers support the order, RequestFault if no server does, or another Fault.
        """
        account, model = submission.account, submission.model
        await self._read()
        known = self._known.get(self._calls.base(account))
        if known is None or known.read is not self._folder.workflows:
            known = await self._ask(account)
        if known.can_make(submission):
            return known.workflows
        if any(other.can_make(submission) for other in self._known.values()):
            raise RateLimited("Only other servers support this order.", retry_after=ASK_SECONDS, family=model)
        raise RequestFault("The back end no longer supports this order. Use another model.", code="model_unavailable")

    def has_class(self, class_type: str) -> bool:
        """Whether a workflow has a node of this class. If a server sends any other text as the class of a node, clients
        never see it."""
        graphs = (workflow.graph for workflow in self._folder.workflows.values())
        return any(node["class_type"] == class_type for graph in graphs for node in graph.values())

    def forget(self, account: Account) -> None:
        """Query a server again before its next order, since the last description of the server was wrong."""
        self._known.pop(self._calls.base(account), None)

    async def _read(self) -> None:
        if await self._threads.run(Work.media, self._folder.read):
            for name, reason in self._folder.faults.items():
                log.warning("workflow ignored", workflow=name, reason=reason)

    async def _ask(self, account: Account) -> Known:
        """Query a server, but only about the node classes in the workflows: a description of all classes can take
        seconds and many MB."""
        await self._read()
        version = version_in(await self._calls.get(account, "/system_stats"))
        if version is not None and version < FIRST_WITH_OUR_IDS:
            raise UpstreamUnavailable("The server's ComfyUI is too old. It must be 0.3.45 or newer.")
        read = self._folder.workflows
        info: dict[str, Any] = {}
        classes = {str(node["class_type"]) for workflow in read.values() for node in workflow.graph.values()}
        for name in sorted(classes):
            info |= await self._calls.get(account, f"/object_info/{quote(name, safe='')}")
        fitting = {name: fitted(each, info) for name, each in read.items()}
        problems = {name: problem for name, each in fitting.items() if (problem := problems_of(each, info)) is not None}
        workflows = {name: each for name, each in fitting.items() if name not in problems}
        known = Known(read, workflows, models_of(workflows), problems)
        self._note(self._calls.base(account), known)
        return known

    def _note(self, server: str, known: Known) -> None:
        before = self._known.get(server)
        self._known[server] = known
        for name, reason in known.problems.items():
            if before is None or before.problems.get(name) != reason:
                log.warning("workflow not supported by server", workflow=name, server=server, reason=reason)
