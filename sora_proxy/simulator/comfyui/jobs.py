"""Jobs: the queue, the running job, and the history of jobs that have ended."""

import heapq
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.versions import Change, Version
from sora_proxy.simulator.faults import Rule
from sora_proxy.simulator.news import News

MAX_HISTORY = 10_000

Message = tuple[str, dict[str, Any]]


@dataclass(slots=True)
class Job:
    """A submitted job. `outputs` are the output nodes to execute, and `fate` is an injected fault."""

    number: float
    prompt_id: str
    graph: dict[str, Any]
    extra_data: dict[str, Any]
    outputs: list[str]
    fate: Rule | None = None
    interrupted: bool = False
    node: str | None = None  # the id of the node that is running

    @property
    def client_id(self) -> str | None:
        """The id of the socket that gets the events of the job."""
        return self.extra_data.get("client_id")

    @property
    def described(self) -> list[Any]:
        """The five parts of the job in the queue and the history."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]

    def has_fate(self, fault: str) -> bool:
        """Return whether this fault was injected into this job."""
        return self.fate is not None and self.fate.fault == fault


@dataclass(slots=True)
class Entry:
    """A job that has ended, with the results of its output nodes and its messages."""

    job: Job
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether the job ended without an error or interruption."""
        return any(event == "execution_success" for event, _ in self.messages)

    def data_of(self, event: str) -> dict[str, Any] | None:
        """Return the data of the first message with this event; None if there is no such message."""
        return next((data for name, data in self.messages if name == event), None)

    @property
    def status(self) -> dict[str, Any]:
        """The status with which the job ended."""
        word = "success" if self.succeeded else "error"
        return {"status_str": word, "completed": self.succeeded, "messages": [list(each) for each in self.messages]}

    @property
    def described(self) -> dict[str, Any]:
        """The entry as the history shows it."""
        meta = {
            node: {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
            for node in self.outputs
        }
        return {"prompt": self.job.described, "outputs": self.outputs, "status": self.status, "meta": meta}

    def state(self, version: Version) -> str:
        """Return the job's state as the list of jobs shows it."""
        if self.succeeded:
            return "completed"
        cancelled = self.data_of("execution_interrupted") is not None and version.has(Change.cancelled_state)
        return "cancelled" if cancelled else "failed"


class Jobs(News):
    """The queue (a heap that is ordered by the numbers of jobs), the running job, and the history."""

    def __init__(self) -> None:
        """Start without jobs."""
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as when the process ends."""
        self._heap: list[tuple[float, str, int, Job]] = []
        self._pushed = 0
        self._number = 0
        self.running: Job | None = None
        self.history: dict[str, Entry] = {}
        self.wake()

    @property
    def waiting(self) -> list[Job]:
        """The waiting jobs, in the order of the heap."""
        return [job for *_, job in self._heap]

    @property
    def remaining(self) -> int:
        """The number of jobs that have not ended."""
        return len(self._heap) + (self.running is not None)

    def next_number(self) -> int:
        """Return the number of the next submit."""
        self._number += 1
        return self._number - 1

    def put(self, job: Job) -> None:
        """Add a job to the queue."""
        heapq.heappush(self._heap, (job.number, job.prompt_id, self._pushed, job))
        self._pushed += 1
        self.wake()

    async def take(self) -> Job:
        """Wait for the next job, and mark it as running."""
        while not self._heap:
            await self.wait_for(lambda: bool(self._heap), 3600)
        self.running = heapq.heappop(self._heap)[-1]
        return self.running

    def ended(self, entry: Entry | None) -> None:
        """Note that the running job has ended. Without an entry, the job is not added to the history."""
        self.running = None
        if entry is not None:
            self.history[entry.job.prompt_id] = entry
            while len(self.history) > MAX_HISTORY:
                del self.history[next(iter(self.history))]
        self.wake()

    def delete(self, prompt_id: str) -> bool:
        """Delete one waiting job. Returns whether a job was deleted."""
        for place, (*_, job) in enumerate(self._heap):
            if job.prompt_id == prompt_id:
                del self._heap[place]
                heapq.heapify(self._heap)
                return True
        return False

    def clear(self) -> None:
        """Delete all waiting jobs."""
        self._heap.clear()

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """Stop the running job, if it has this id or no id is given. Returns whether a job was stopped."""
        if self.running is None or prompt_id not in (None, self.running.prompt_id):
            return False
        self.running.interrupted = True
        return True


def latest(entries: dict[str, Entry], max_items: int | None, offset: int) -> dict[str, Any]:
    """Return at most `max_items` entries of the history, oldest first. A negative offset selects the newest entries."""
    start = max(0, len(entries) - max_items if offset < 0 and max_items is not None else offset)
    end = None if max_items is None else start + max_items
    return {name: entries[name].described for name in list(entries)[start:end]}
