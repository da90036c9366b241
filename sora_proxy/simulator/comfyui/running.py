"""Running: runs jobs node by node, and reports their events to the sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE, NodeClass
from sora_proxy.simulator.comfyui.fates import Vanished, meet
from sora_proxy.simulator.comfyui.jobs import Entry, Job
from sora_proxy.simulator.comfyui.nodes import WORK, Latent, NodeFailed
from sora_proxy.simulator.comfyui.options import PREVIEW_METHODS
from sora_proxy.simulator.comfyui.pictures import preview_frame
from sora_proxy.simulator.comfyui.planning import Made, links_of, plan_of, signatures_of
from sora_proxy.simulator.comfyui.reporting import Report
from sora_proxy.simulator.comfyui.saving import Saving, pngs_of
from sora_proxy.simulator.comfyui.state import ComfyUI
from sora_proxy.simulator.comfyui.versions import Change
from sora_proxy.simulator.faults import Rule

TRACEBACK = ['  File "/opt/comfyui/execution.py", line 1, in execute\n']


class Interrupted(Exception):
    """The job was stopped."""


async def work(simulator: ComfyUI) -> None:
    """Run one job after another, forever."""
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
    """The run of one job."""

    simulator: ComfyUI
    job: Job
    report: Report = field(init=False)
    entry: Entry = field(init=False)
    _fate: Rule | None = field(init=False)  # None as soon as the fate has been applied
    _node_id: str = ""  # the id of the running node
    _made: dict[str, Made] = field(default_factory=dict)  # the results by node
    _executed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the report and the entry of the job."""
        is_sparse = self.simulator.version.has(Change.recent)
        self.report = Report(self.job, self.simulator.sockets, self.simulator.clock, is_sparse)
        self.entry = Entry(self.job, messages=self.report.messages)
        self._fate = self.job.fate

    async def go(self) -> Entry:
        """Run the job. Returns its entry for the history."""
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
            await self.report.message("execution_interrupted", **self._where())
        except NodeFailed as error:
            await self.report.message("execution_error", **self._where(), **self._error(error))
        except Vanished:
            pass
        else:
            await self.report.message("execution_success")
        return self.entry

    def _signatures(self) -> dict[str, str]:
        """Return the signatures of the nodes. If the cache has the result for a signature, it becomes a result of this
        job."""
        job, cache = self.job, self.simulator.cache
        signatures = signatures_of(job.graph, job.outputs, self._more_of)
        cache.keep_only(set(signatures.values()))
        found = {node_id: cache.get(signature) for node_id, signature in signatures.items()}
        self._made = {node_id: made for node_id, made in found.items() if made is not None}
        return signatures

    def _more_of(self, node: Mapping[str, Any]) -> Any:
        """Return what a node's result depends on besides its inputs: the content of files, and the job itself if its
        fate may be applied at the node."""
        kind, fate = CATALOGUE[node["class_type"]], self.job.fate
        inputs = [node["inputs"][name] for name, each in kind.inputs.items() if each.folder == "input"]
        files = [self.simulator.files.digest_of_input(path) for path in inputs]
        may_strike = kind.is_slow or kind.is_output or (fate and fate.parameters.get("node") == node["class_type"])
        return [files, self.job.number if fate is not None and may_strike else None]

    async def _do(self, node_id: str, signature: str) -> None:
        if node_id in self._made:
            await self._show_again(node_id)
            return
        started, self._node_id = self.simulator.clock.now(), node_id
        await self.report.started(node_id)
        self._check()
        try:
            made = await self._make(node_id, started)
        except (NodeFailed, Interrupted, Vanished):
            raise
        except Exception as error:  # any error of a node fails the job, as in ComfyUI
            raise NodeFailed(_type_name(error), str(error)) from error
        self._made[node_id] = made
        self.simulator.cache.put(signature, made)
        self._executed.append(node_id)
        if made.shown is not None:
            self.entry.outputs[node_id] = made.shown
            await self.report.shown(node_id, made.shown)
        await self.report.finished(node_id)

    async def _show_again(self, node_id: str) -> None:
        """Report an output node whose result comes from the cache."""
        shown = self._made[node_id].shown
        if self.job.client_id is not None or self.simulator.version.outputs_from_cache:
            self.entry.outputs[node_id] = shown
            await self.report.shown(node_id, shown)
        await self.report.finished(node_id)

    async def _make(self, node_id: str, started: float) -> Made:
        node = self.job.graph[node_id]
        kind, given = CATALOGUE[node["class_type"]], self._given(node_id)
        if not kind.is_slow:
            await self._strike(node_id, kind)
        if kind.is_output:
            saving = Saving.of(self.simulator.files, node["class_type"], given.get("filename_prefix", ""))
            contents = await self.simulator.artist.work(pngs_of(given["images"], self.job))
            return Made((), saving.put(contents))
        values = await self.simulator.artist.work(lambda: WORK[node["class_type"]](given))
        if kind.is_slow:
            await self._take_time(node_id, started, given.get("steps", 1), values[0])
        return Made(values)

    def _given(self, node_id: str) -> dict[str, Any]:
        """Return the inputs of a node: values, outputs of other nodes, and the content of files."""
        given = dict(self.job.graph[node_id]["inputs"])
        given.update({name: self._made[other].values[slot] for name, other, slot in links_of(self.job.graph, node_id)})
        for name, each in CATALOGUE[self.job.graph[node_id]["class_type"]].inputs.items():
            if each.folder == "input":
                given[name] = self.simulator.files.input_named(given[name])
        return given

    async def _take_time(self, node_id: str, started: float, steps: int, value: Any) -> None:
        """Wait as long as a slow node takes, and report its steps. The job's fate is applied after the first step."""
        kind, options = CATALOGUE[self.job.graph[node_id]["class_type"]], self.simulator.options
        count = (options.steps or steps) if kind.has_steps else 1
        for step in range(1, count + 1):
            await self.simulator.clock.reach(started + step * options.seconds / count)
            self._check()
            if kind.has_steps:
                await self.report.step(node_id, step, count, await self._preview(value, step / count))
            if step == 1:
                await self._strike(node_id, kind)

    async def _preview(self, value: Any, share: float) -> bytes | None:
        method = self.simulator.options.previews
        if self.simulator.version.has(Change.preview_by_job):
            method = self.job.extra_data.get("preview_method", method)
        if method not in PREVIEW_METHODS[1:] or not isinstance(value, Latent):
            return None
        return await self.simulator.artist.work(lambda: preview_frame(value.picture, share))

    def _check(self) -> None:
        """Raise Interrupted if the job was interrupted."""
        if self.job.interrupted:
            raise Interrupted

    async def _strike(self, node_id: str, kind: NodeClass) -> None:
        """Apply the fate of the job, once: at the first node of the class that the fault names, or at the first slow
        node if it names none. If an output node comes first, the fate is applied there."""
        fate, name = self._fate, self.job.graph[node_id]["class_type"]
        if fate is None:
            return
        is_meant = name == fate.parameters["node"] if "node" in fate.parameters else kind.is_slow
        if is_meant or kind.is_output:
            self._fate = None
            await meet(fate, self.job, self.simulator.sockets)

    def _where(self) -> dict[str, Any]:
        name = self.job.graph[self._node_id]["class_type"]
        return {"node_id": self._node_id, "node_type": name, "executed": self._executed}

    def _error(self, error: NodeFailed) -> dict[str, Any]:
        given = self.job.graph[self._node_id]["inputs"]
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
