"""Progress: reads the progress of this server's jobs from the frames of ComfyUI's WebSocket. No I/O.

Observed with running servers: `progress_state` lists every node that the job has reached so far, and `execution_cached`
lists the nodes whose results are in the cache. A preview with the id of its job is a binary frame of event 4,
big-endian: the number of the event, the length of a JSON text, the text, and the image. Everything else about a job
comes from polls.
"""

import asyncio
import re
import struct
from collections.abc import Mapping
from typing import Any

import orjson

from sora_proxy.event_log import MAX_PREVIEW_BYTES, Preview
from sora_proxy.foreign.bounded_json import as_object

MAX_TEXT = 2**20  # characters of a frame; the states of a thousand nodes take 200,000
MAX_METADATA = 2**16
# Nodes of these classes take most of the time if they work on the results of other nodes. Nodes without links, or with
# only a link to a model, just configure another node: KSamplerSelect, SamplerSASolver and UpscaleModelLoader are
# examples.
SLOW = re.compile(r"sampler|upscale\w*model|sdupscale", re.IGNORECASE)
SLOW_SHARE = 0.9  # the weight of all slow nodes together, as a share of the job
PREVIEW_WITH_METADATA = 4
FORMATS = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}

Graph = Mapping[str, Any]


class JobProgress:
    """The progress of one job. `fraction` is None until a node has begun, and never decreases."""

    def __init__(self, graph: Graph) -> None:
        self._weights = _weights(graph)
        # All the mutable state.
        self._done: dict[str, float] = {}  # 0..1 by node
        self.fraction: float | None = None
        self.ended = asyncio.Event()
        self.preview: Preview | None = None

    def cached(self, nodes: Any) -> None:
        """Note nodes that are not executed, because their results are in the cache."""
        for node_id in nodes if isinstance(nodes, list) else ():
            if isinstance(node_id, str):
                self._done[node_id] = 1.0

    def advanced(self, nodes: Any) -> None:
        """Note the states of all nodes that the job has reached so far."""
        for node_id, state in as_object(nodes).items():
            if isinstance(state, dict):
                self._done[node_id] = 1.0 if state.get("state") == "finished" else _share(state)
        done = sum(weight * self._done.get(node_id, 0.0) for node_id, weight in self._weights.items())
        self.fraction = max(self.fraction or 0.0, done / (sum(self._weights.values()) or 1.0))

    def showed(self, content: bytes, image_format: str) -> None:
        """Note the newest preview."""
        number = self.preview.number + 1 if self.preview else 0
        self.preview = Preview(content, image_format, number=number)


def read_text(text: str, jobs: Mapping[str, JobProgress]) -> bool:
    """Read a text frame. Returns whether it was about one of these jobs; all other frames are ignored."""
    frame = _object(text) if len(text) <= MAX_TEXT else {}
    data = frame.get("data")
    if not isinstance(data, dict) or (job := jobs.get(str(data.get("prompt_id")))) is None:
        return False
    match frame.get("type"):
        case "execution_cached":
            job.cached(data.get("nodes"))
        case "progress_state":
            job.advanced(data.get("nodes"))
        case "executing" if data.get("node", "") is None:  # the job has ended, and is in the history
            job.ended.set()
    return True


def read_binary(frame: bytes, jobs: Mapping[str, JobProgress]) -> bool:
    """Read a binary frame. Returns whether it was a preview of one of these jobs. A preview without the id of its job
    is ignored, because it may belong to another program's job."""
    if len(frame) < 8:
        return False
    event, length = struct.unpack_from(">II", frame)
    if event != PREVIEW_WITH_METADATA or length > min(MAX_METADATA, len(frame) - 8):
        return False
    about, content = _object(frame[8 : 8 + length]), frame[8 + length :]
    job, image_format = jobs.get(str(about.get("prompt_id"))), FORMATS.get(str(about.get("image_type")))
    if job is None or image_format is None or not 0 < len(content) <= MAX_PREVIEW_BYTES:
        return False
    job.showed(content, image_format)
    return True


def _weights(graph: Graph) -> dict[str, float]:
    """The weight of each node. Slow nodes together have a fixed share, however many other nodes there are."""
    slow = {node_id for node_id, node in graph.items() if _is_slow(as_object(node))}
    others = max(len(graph) - len(slow), 1)
    weight = others * SLOW_SHARE / (1 - SLOW_SHARE) / max(len(slow), 1)
    return {node_id: weight if node_id in slow else 1.0 for node_id in graph}


def _is_slow(node: Mapping[str, Any]) -> bool:
    class_type, inputs = node.get("class_type"), as_object(node.get("inputs"))
    links = {name for name, value in inputs.items() if isinstance(value, list)}
    return isinstance(class_type, str) and SLOW.search(class_type) is not None and not links <= {"model"}


def _share(state: Mapping[str, Any]) -> float:
    value, most = state.get("value"), state.get("max")
    if not isinstance(value, int | float) or not isinstance(most, int | float) or most <= 0:
        return 0.0
    return min(max(value / most, 0.0), 1.0)


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        return as_object(orjson.loads(text))
    except orjson.JSONDecodeError:
        return {}
