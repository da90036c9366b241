"""Reporting: sends the events of one job to the sockets."""

from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.clock import Clock
from sora_proxy.simulator.comfyui.jobs import Job, Message
from sora_proxy.simulator.comfyui.sockets import Sockets

MIN_PAUSE = 0.1  # seconds between two steps that newer versions report


@dataclass(slots=True)
class Report:
    """The events of one job. Without a client_id, progress goes to all sockets, and other events to none."""

    job: Job
    sockets: Sockets
    clock: Clock
    is_sparse: bool  # whether a step is left out if it quickly follows another one
    messages: list[Message] = field(default_factory=list)
    _nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _latest: float = -1e9  # the time of the last reported step

    async def message(self, event: str, **data: Any) -> None:
        """Report an event that is also part of the history."""
        data = {**data, "prompt_id": self.job.prompt_id, "timestamp": self.clock.milliseconds()}
        self.messages.append((event, data))
        await self._to_client(event, data)

    async def status(self, remaining: int) -> None:
        """Report to all sockets the number of jobs that have not ended."""
        await self.sockets.send("status", status_of(remaining))

    async def started(self, node_id: str) -> None:
        """Report that a node has started."""
        self.job.node = node_id
        await self._state(node_id, 0.0, 1.0, "running")
        await self._to_client("executing", {"node": node_id, "display_node": node_id, **self._own})

    async def step(self, node_id: str, value: int, most: int, preview: bytes | None) -> None:
        """Report a step of a node, with its preview."""
        now = self.clock.now()
        if self.is_sparse and value < most and now - self._latest < MIN_PAUSE:
            return
        self._latest = now
        client, ids = self.job.client_id, {"display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        await self._state(node_id, value, most, "running")
        with_metadata = self.sockets.has_metadata(client)
        if preview is not None and with_metadata:
            metadata = {"node_id": node_id, **self._own, **ids, "image_type": "image/jpeg"}
            await self.sockets.send_preview(preview, metadata, client)
        await self.sockets.send("progress", {"value": value, "max": most, **self._own, "node": node_id}, client)
        if preview is not None and not with_metadata:
            await self.sockets.send_preview(preview, None, client)

    async def finished(self, node_id: str) -> None:
        """Report that a node has ended. This is also reported for a node whose result came from the cache, so it did
        not run."""
        most = self._nodes[node_id]["max"] if node_id in self._nodes else 1
        await self._state(node_id, most, most, "finished")

    async def shown(self, node_id: str, output: Any) -> None:
        """Report the data of an output node."""
        await self._to_client("executed", {"node": node_id, "display_node": node_id, "output": output, **self._own})

    async def ended(self) -> None:
        """Report that no node is running, and that the job is in the history."""
        self.job.node = None
        await self._to_client("executing", {"node": None, **self._own})

    @property
    def _own(self) -> dict[str, Any]:
        return {"prompt_id": self.job.prompt_id}

    async def _state(self, node_id: str, value: float, most: float, state: str) -> None:
        ids = {"display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        self._nodes[node_id] = {"value": value, "max": most, "state": state, "node_id": node_id, **self._own, **ids}
        await self.sockets.send("progress_state", {**self._own, "nodes": self._nodes}, self.job.client_id)

    async def _to_client(self, event: str, data: dict[str, Any]) -> None:
        if self.job.client_id is not None:
            await self.sockets.send(event, data, self.job.client_id)


def status_of(remaining: int) -> dict[str, Any]:
    """Return the data of a status event."""
    return {"status": {"exec_info": {"queue_remaining": remaining}}}
