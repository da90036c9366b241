"""How a job is done: node by node, with all that the sockets hear of it."""

from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE, NodeClass
from sora_proxy.simulator.comfyui.foreign import send_foreign_frames
from sora_proxy.simulator.comfyui.jobs import Entry, Job
from sora_proxy.simulator.comfyui.nodes import WORK, Latent
from sora_proxy.simulator.comfyui.pictures import preview_frame
from sora_proxy.simulator.comfyui.planning import Made, links_of, plan_of, signatures_of
from sora_proxy.simulator.comfyui.reporting import Report
from sora_proxy.simulator.comfyui.saving import NodeFailed, Saving, pngs_of
from sora_proxy.simulator.comfyui.state import ComfyUI
from sora_proxy.simulator.comfyui.versions import Change

OUT_OF_MEMORY = (
    "Allocation on device\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before "
    "you might have accidentally set the batch_size to a large number."
)
TRACEBACK = ['  File "/opt/comfyui/execution.py", line 1, in execute\n']


class Interrupted(Exception):
    """The job was stopped."""


class Vanished(Exception):
    """The job is to leave no trace."""


async def work(simulator: ComfyUI) -> None:
    """Do one job after the other, for ever."""
    while True:
        job = await simulator.jobs.take()
        simulator.ledger.job_started(simulator.clock.now())
        run = Run(simulator, job)
        entry = await run.go()
        simulator.jobs.ended(None if job.has_fate("vanish") else entry)
        simulator.ledger.job_ended(simulator.clock.now())
        await run.report.status(simulator.jobs.remaining)
        await run.report.ended()


@dataclass(slots=True)
class Run:
    """One job at work."""

    simulator: ComfyUI
    job: Job
    report: Report = field(init=False)
    entry: Entry = field(init=False)
    _made: dict[str, Made] = field(default_factory=dict)  # by node
    _executed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin the notes of the job."""
        is_sparse = self.simulator.version.has(Change.recent)
        self.report = Report(self.job, self.simulator.sockets, self.simulator.clock, is_sparse)
        self.entry = Entry(self.job, messages=self.report.messages)

    async def go(self) -> Entry:
        """Do the job."""
        await self.report.status(self.simulator.jobs.remaining)
        if self.job.has_fate("silent_socket") and self.job.client_id is not None:
            self.simulator.sockets.forget(self.job.client_id)
        await self.report.message("execution_start")
        signatures = self._signatures()
        await self.report.message("execution_cached", nodes=[each for each in self.job.graph if each in self._made])
        try:
            for node_id in plan_of(self.job.graph, self.job.outputs, set(self._made)):
                await self._do(node_id, signatures[node_id])
        except Interrupted:
            await self.report.message("execution_interrupted", **self._where(self.job.node))
        except NodeFailed as error:
            await self.report.message("execution_error", **self._where(self.job.node), **self._error(error))
        except Vanished:
            pass
        else:
            await self.report.message("execution_success")
        return self.entry

    def _signatures(self) -> dict[str, str]:
        """Find what is in the cache. A job with a fate finds nothing there, so that it meets its fate."""
        job, cache = self.job, self.simulator.cache
        signatures = signatures_of(job.graph, job.outputs, self.simulator.content)
        cache.keep_only(set() if job.fate else set(signatures.values()))
        found = {node_id: cache.get(signature) for node_id, signature in signatures.items()}
        self._made = {node_id: made for node_id, made in found.items() if made is not None}
        return signatures

    async def _do(self, node_id: str, signature: str) -> None:
        if node_id in self._made:
            await self._show_again(node_id)
            return
        await self.report.started(node_id)
        self._check()
        try:
            made = await self._make(node_id)
        except (NodeFailed, Interrupted, Vanished):
            raise
        except Exception as error:  # whatever a node's code raises fails the job, as in ComfyUI
            raise NodeFailed(_type_name(error), str(error)) from error
        self._made[node_id] = made
        self.simulator.cache.put(signature, made)
        self._executed.append(node_id)
        if made.shown is not None:
            self.entry.outputs[node_id] = made.shown
            await self.report.shown(node_id, made.shown)
        await self.report.finished(node_id)

    async def _show_again(self, node_id: str) -> None:
        """Report an output node that comes from the cache."""
        shown = self._made[node_id].shown
        if self.job.client_id is not None or self.simulator.version.outputs_from_cache:
            self.entry.outputs[node_id] = shown
            await self.report.shown(node_id, shown)
        await self.report.finished(node_id)

    async def _make(self, node_id: str) -> Made:
        node = self.job.graph[node_id]
        kind, given = CATALOGUE[node["class_type"]], self._given(node_id)
        await self._strike(node_id, kind)
        if kind.is_output:
            saving = Saving.of(self.simulator.files, node["class_type"], given.get("filename_prefix", ""))
            contents = await self.simulator.artist.work(pngs_of(given["images"], self.job))
            return Made((), saving.put(contents))
        values = await self.simulator.artist.work(lambda: WORK[node["class_type"]](given))
        if kind.is_slow:
            await self._take_time(node_id, given.get("steps"), values[0])
        return Made(values)

    def _given(self, node_id: str) -> dict[str, Any]:
        """The inputs of a node: values, what other nodes made, and the content of files."""
        given = dict(self.job.graph[node_id]["inputs"])
        given.update({name: self._made[other].values[slot] for name, other, slot in links_of(self.job.graph, node_id)})
        for name, each in CATALOGUE[self.job.graph[node_id]["class_type"]].inputs.items():
            if each.folder == "input":
                given[name] = self.simulator.files.input_named(given[name])
        return given

    async def _take_time(self, node_id: str, steps: int | None, value: Any) -> None:
        """Let the seconds of a slow node pass; it reports its steps if it has any."""
        options = self.simulator.options
        count = (options.steps or steps) if steps else 1
        latent = value if isinstance(value, Latent) else None
        for step in range(1, count + 1):
            await self.simulator.clock.sleep(options.seconds / count)
            self._check()
            if latent is not None:
                await self.report.step(node_id, step, count, await self._preview(latent, step / count))

    async def _preview(self, latent: Latent, share: float) -> bytes | None:
        method = self.simulator.options.previews
        if self.simulator.version.has(Change.preview_by_job):
            method = self.job.extra_data.get("preview_method", method)
        if method not in ("auto", "latent2rgb", "taesd"):
            return None
        return await self.simulator.artist.work(lambda: preview_frame(latent.picture, share))

    def _check(self) -> None:
        """Stop the job if it was interrupted."""
        if self.job.interrupted:
            raise Interrupted

    async def _strike(self, node_id: str, kind: NodeClass) -> None:
        """Let the fate of the job strike at the node that it is for, or at the output."""
        fate, name = self.job.fate, self.job.graph[node_id]["class_type"]
        if fate is None:
            return
        if kind.is_slow or kind.is_output:
            if fate.fault == "vanish" and fate.parameters["when"] == "running":
                raise Vanished
            if fate.fault == "cut_socket" and self.job.client_id is not None:
                self.simulator.sockets.cut(self.job.client_id)
            if fate.fault in ("foreign_frames", "large_frame"):
                await send_foreign_frames(self.simulator.sockets, self.job, fate.parameters.get("bytes", 0))
        if name == fate.parameters.get("node") or kind.is_output:
            if fate.fault == "execution_error":
                raise NodeFailed(fate.parameters["type"], fate.parameters["message"])
            if fate.fault == "out_of_memory":
                raise NodeFailed("torch.OutOfMemoryError", OUT_OF_MEMORY)

    def _where(self, node_id: str | None) -> dict[str, Any]:
        name = self.job.graph[node_id]["class_type"] if node_id is not None else None
        return {"node_id": node_id, "node_type": name, "executed": self._executed}

    def _error(self, error: NodeFailed) -> dict[str, Any]:
        given = self.job.graph[self.job.node or ""]["inputs"]
        inputs = {name: [f"tensor({value[0]})" if isinstance(value, list) else value] for name, value in given.items()}
        return {
            "exception_message": str(error),
            "exception_type": error.kind,
            "traceback": TRACEBACK,
            "current_inputs": inputs,
            "current_outputs": list(self.job.graph),
        }


def _type_name(error: Exception) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
