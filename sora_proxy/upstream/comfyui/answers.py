"""Answers: reads the states of jobs from ComfyUI's queue and history. No I/O.

A job moves from the queue to the history and never back, so no job is missed if the queue is read first.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import structlog

from sora_proxy.foreign.bounded_json import as_object
from sora_proxy.generation import Asset
from sora_proxy.upstream import Snapshot, TaskState

log = structlog.get_logger(__name__)

OURS = "sora_proxy"  # the key in a job's `extra_data` under which this server stores what it needs after a restart
MAX_RESULTS = 64  # images of one job
IMAGE_NAME = re.compile(r"[^/\\\x00-\x1f]{1,255}\.(png|jpe?g|webp|gif)", re.IGNORECASE)
EXCEPTION = re.compile(r"[A-Za-z_][\w.]{0,60}", re.ASCII)  # the name of an exception's class, perhaps with its module
VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
IsClass = Callable[[str], bool]
STOPPED = "The job was stopped at the back end."


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that is waiting or running. `position` counts from 1 among the waiting jobs; None: the job is running."""

    graph: Mapping[str, Any]
    client_id: str | None
    position: int | None


def queued_jobs(document: Mapping[str, Any]) -> dict[str, QueuedJob]:
    """The jobs in an answer about the queue, by id. ComfyUI lists waiting jobs in no particular order."""
    running, pending = (list(_items(document.get(f"queue_{name}"))) for name in ("running", "pending"))
    pending.sort(key=lambda item: item[0] if isinstance(item[0], int | float) else 0)
    jobs = {item[1]: _job(item, position) for position, item in enumerate(pending, 1)}
    return jobs | {item[1]: _job(item, None) for item in running}


def ended_job(task_id: str, history: Mapping[str, Any], is_class: IsClass) -> Snapshot | None:
    """The final state of a job, from an answer about the history; None if the job is not in the history.

    `is_class` says whether a text is the class of a node in a workflow.
    """
    entry = history.get(task_id)
    if not isinstance(entry, dict):
        return None
    status = as_object(entry.get("status"))
    word = status.get("status_str")
    assets = tuple(_assets(entry))[:MAX_RESULTS]
    if word == "error" or (word != "success" and not assets):
        return Snapshot(task_id, TaskState.failed, reason=_reason(task_id, status, is_class))
    return Snapshot(task_id, TaskState.succeeded, assets=assets)


def _items(items: Any) -> Iterator[list[Any]]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, list) and len(item) > 3 and isinstance(item[1], str):
            yield item


def _job(item: list[Any], position: int | None) -> QueuedJob:
    client_id = as_object(item[3]).get("client_id")
    return QueuedJob(as_object(item[2]), client_id if isinstance(client_id, str) else None, position)


def _assets(entry: Mapping[str, Any]) -> Iterator[Asset]:
    """The images that the workflow's output node saved, in order. Images of other nodes are not results."""
    prompt, outputs = entry.get("prompt"), as_object(entry.get("outputs"))
    extra = as_object(prompt[3]) if isinstance(prompt, list) and len(prompt) > 3 else {}
    output = as_object(extra.get(OURS)).get("output")
    nodes = [outputs.get(output)] if isinstance(output, str) else outputs.values()
    for items in (items for node in nodes for items in as_object(node).values() if isinstance(items, list)):
        for item in items:
            file = {name: item.get(name) for name in ("filename", "subfolder", "type")} if _is_result(item) else {}
            if file:
                yield Asset(f"/view?{urlencode(file)}", id=f"{file['subfolder']}/{file['filename']}", ours_only=True)


def _is_result(item: Any) -> bool:
    if not isinstance(item, dict) or item.get("type") != "output" or not isinstance(item.get("subfolder"), str):
        return False
    name = item.get("filename")
    return isinstance(name, str) and IMAGE_NAME.fullmatch(name) is not None


def _reason(task_id: str, status: Mapping[str, Any], is_class: IsClass) -> str:
    """The reason for a failure, as a message to clients. The error's text and inputs are left out, because they contain
    paths and prompts."""
    messages = status.get("messages")
    found = {
        message[0]: as_object(message[1])
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str)
    }
    if "execution_interrupted" in found:
        return STOPPED
    error = found.get("execution_error", {})
    node, kind = (str(error.get(name, "")) for name in ("node_type", "exception_type"))
    node, kind = node if is_class(node) else "", kind if EXCEPTION.fullmatch(kind) else ""
    log.warning("comfyui job failed", task=task_id, node=node, error=kind)
    if kind.endswith("OutOfMemoryError"):
        return "The back end has too little memory for this order. Order fewer images or a smaller size."
    return f"The back end failed to make the image{f' at the node {node}' if node else ''}."


def version_in(system_stats: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The version of ComfyUI in an answer about a server; None if the version can't be read."""
    found = VERSION.match(str(as_object(system_stats.get("system")).get("comfyui_version")))
    return tuple(map(int, found.groups())) if found else None
