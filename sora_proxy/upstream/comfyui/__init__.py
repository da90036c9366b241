"""ComfyUI: the back end for one or more ComfyUI servers. Each server is a key, and workflows are read from files.

A task is a job whose id this server chose, so an order can be found by that id if the answer to it was lost. The queue
and the history show the state of a job; progress and previews arrive through a WebSocket while the job is running.

    calls.py, answers.py       calls to servers, and the meaning of their answers
    workflows.py, graphs.py    the files, and the graph of one order
    servers.py, problems.py    the models that each server offers, and why a server can't run a workflow
    jobs.py                    the states of jobs, and how a job is stopped
    listener.py, progress.py   the frames of the socket
    metadata.py                the removal of texts from images
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import (
    ConfigurationError,
    Fault,
    RequestFault,
    SubmissionUnknown,
    TaskFailed,
    UpstreamUnavailable,
)
from sora_proxy.foreign.bounded_json import as_object
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import CONTENT_TYPES, BackendOptions, Capabilities, Identity, Snapshot, Submission
from sora_proxy.upstream.comfyui.answers import OURS
from sora_proxy.upstream.comfyui.calls import Calls
from sora_proxy.upstream.comfyui.graphs import graph_for, workflow_for
from sora_proxy.upstream.comfyui.jobs import Jobs
from sora_proxy.upstream.comfyui.metadata import Damaged, strip
from sora_proxy.upstream.comfyui.servers import Servers
from sora_proxy.upstream.comfyui.workflows import WorkflowFolder
from sora_proxy.upstream.downloads import Downloads
from sora_proxy.upstream.http_client import HttpClient

UPLOADS = "sora_proxy"  # the subfolder for reference images, in a server's folder of input files
PREVIEWS, NO_PREVIEWS = "latent2rgb", "none"
SEEDS = 2**32


class ComfyUI:
    """The back end. By default, a key has one job at a time, because a server runs only one job at a time."""

    identity = Identity.named
    names_tasks: bool | None = None
    polls_are_complete = True  # the queue and the history show every job since the server was started
    max_concurrent: int | None = 1
    links_results = False  # clients must not get links, because the files on the server contain the prompt
    capabilities = Capabilities()  # the capabilities depend on the workflows that the servers can run

    def __init__(self, options: BackendOptions, threads: BlockingPool) -> None:
        if options.more:
            raise ConfigurationError(
                [f"BACKENDS: {options.name}: {min(options.more)!r} is not an option of this kind of back end"]
            )
        self.name, self.base_url = options.name, options.base_url
        self._threads = threads
        self._http = HttpClient()
        self._calls = Calls(options, self._http, threads)
        self._servers = Servers(WorkflowFolder(options.workflows_dir), self._calls, threads)
        self._jobs = Jobs(self._calls, self._http, self._servers.has_class)
        self._downloads = Downloads(options, self._http, threads)

    async def ask_capabilities(self, account: Account) -> Capabilities:
        return await self._servers.capabilities(account)

    async def may_have_changed(self) -> bool:
        return await self._servers.may_have_changed()

    async def upload(self, image: Path, account: Account) -> str:
        # The name is random, so that it is unique and can't be guessed.
        name = f"{secrets.token_hex(16)}{image.suffix}"
        form = aiohttp.FormData({"type": "input", "subfolder": UPLOADS}, default_to_multipart=True)
        content = await self._threads.run(Work.media, image.read_bytes)
        form.add_field("image", content, filename=name, content_type=CONTENT_TYPES[image.suffix])
        answer = await self._calls.upload(account, form)
        folder, taken_as = answer.get("subfolder"), answer.get("name")
        if not isinstance(folder, str) or not isinstance(taken_as, str) or not taken_as:
            raise UpstreamUnavailable("The back end did not accept the reference image.")
        return f"{folder}/{taken_as}" if folder else taken_as

    async def submit(self, submission: Submission) -> str:
        account, task_id = submission.account, submission.attempt_id
        workflows = await self._servers.workflows(submission)
        output = workflow_for(workflows, submission).output
        graph = graph_for(workflows, submission, secrets.randbelow(SEEDS))
        _name_files_uniquely(graph, output, task_id)
        listener = self._jobs.listener(account)
        listener.watch(task_id, graph)
        await listener.ready()
        extra = {OURS: {"output": output}, "preview_method": PREVIEWS if submission.spec.previews else NO_PREVIEWS}
        order = {"prompt": graph, "prompt_id": task_id, "client_id": listener.client_id, "extra_data": extra}
        try:
            answer = await self._calls.order(account, order)
        except Fault as fault:
            listener.forget(task_id)
            if isinstance(fault, RequestFault) and fault.code == "model_unavailable":
                self._servers.forget(account)
            raise
        await self._check_accepted(answer, task_id, output, account)
        return task_id

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:  # noqa: ARG002
        return await self._jobs.poll(task_ids, account)

    async def recent(self, account: Account) -> list[Snapshot]:  # noqa: ARG002
        return []

    async def cancel(self, task_id: str, account: Account) -> bool:
        await self._jobs.stop(task_id, account)
        return True

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        there = replace(asset, url=self._calls.base(account) + asset.url)
        await self._downloads.fetch(there, account, destination, self._calls.headers(account))
        try:
            await self._threads.run(Work.media, strip, destination)
        except (Damaged, OSError) as error:
            raise UpstreamUnavailable("A finished image can't be read.", code="result_unavailable") from error

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        """Accept any address, since clients never get links to results."""

    async def probe(self, account: Account) -> None:
        await self._calls.get(account, "/system_stats")

    async def close(self) -> None:
        await self._jobs.close()
        await self._http.close()

    async def _check_accepted(self, answer: Mapping[str, Any], task_id: str, output: str, account: Account) -> None:
        """Check that the order was accepted under this server's id, and that its output node will be executed.

        Raises Fault.
        """
        if answer.get("prompt_id") != task_id:
            raise SubmissionUnknown("The back end's answer does not contain the id of this order.")
        if output in _nodes_without_work(answer.get("node_errors")):
            await self._jobs.stop(task_id, account)
            raise TaskFailed(
                "The back end refused this order. Change the prompt, the size, the parameters or the images.",
                code="order_refused",
            )


def _name_files_uniquely(graph: dict[str, Any], output: str, task_id: str) -> None:
    """Give the files of an order unique names. Otherwise ComfyUI returns the old files for a graph that it has already
    executed, and these files may no longer exist."""
    inputs = graph[output]["inputs"]
    if isinstance(prefix := inputs.get("filename_prefix"), str):
        inputs["filename_prefix"] = f"{prefix}-{task_id}"


def _nodes_without_work(node_errors: Any) -> set[str]:
    """The output nodes that ComfyUI will not execute, because they or the nodes before them have errors. ComfyUI
    accepts an order if at least one output node is valid."""
    outputs = [as_object(error).get("dependent_outputs") for error in as_object(node_errors).values()]
    return {node for nodes in outputs if isinstance(nodes, list) for node in nodes if isinstance(node, str)}
