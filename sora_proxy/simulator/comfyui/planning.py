"""Planning: the order in which ComfyUI executes the nodes of a graph, and the cache of their results."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE

Graph = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """The result of a node: its outputs, and if it is an output node, the data that it shows to clients."""

    values: tuple[Any, ...]
    shown: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Cache:
    """The results of the nodes of the last graph, by signature."""

    _made: dict[str, Made] = field(default_factory=dict)

    def keep_only(self, signatures: set[str]) -> None:
        """Forget all results except those with these signatures."""
        self._made = {signature: made for signature, made in self._made.items() if signature in signatures}

    def get(self, signature: str) -> Made | None:
        """Return a result; None if the cache does not contain it."""
        return self._made.get(signature)

    def put(self, signature: str, made: Made) -> None:
        """Store a result."""
        self._made[signature] = made


def links_of(graph: Graph, node_id: str) -> Iterator[tuple[str, str, int]]:
    """Return the links of a node: the name of the input, the source node, and the number of that node's output."""
    node = graph[node_id]
    for name in CATALOGUE[node["class_type"]].inputs:
        value = node["inputs"].get(name)
        if isinstance(value, list):
            yield name, value[0], value[1]


def signatures_of(graph: Graph, outputs: list[str], more_of: Callable[[Graph], Any]) -> dict[str, str]:
    """Return the signature of each node: a text that contains everything on which the node's result depends.

    `more_of` returns what the result depends on besides the inputs of the node.
    """
    found: dict[str, str] = {}

    def of(node_id: str) -> str:
        if node_id not in found:
            node = graph[node_id]
            links = {name: [of(other), slot] for name, other, slot in links_of(graph, node_id)}
            given = {name: node["inputs"][name] for name in CATALOGUE[node["class_type"]].inputs}
            parts = [node["class_type"], {**given, **links}, more_of(node)]
            found[node_id] = json.dumps(parts, sort_keys=True)
        return found[node_id]

    for output in outputs:
        of(output)
    return found


def plan_of(graph: Graph, outputs: list[str], cached: set[str]) -> Iterator[str]:
    """Return the nodes to execute, in ComfyUI's order, including cached output nodes."""
    waiting: dict[str, set[str]] = {}
    stack = list(reversed(outputs))
    while stack:
        node_id = stack.pop()
        if node_id in waiting:
            continue
        others = [] if node_id in cached else [other for _, other, _ in links_of(graph, node_id)]
        waiting[node_id] = {other for other in others if other not in cached}
        stack += [other for other in others if other not in cached]
    while waiting:
        node_id = _next(graph, waiting)
        del waiting[node_id]
        for missing in waiting.values():
            missing.discard(node_id)
        yield node_id


def _next(graph: Graph, waiting: Mapping[str, set[str]]) -> str:
    """Choose the executable node that is nearest to an output node. If none is at most two links away, choose the first
    executable node."""
    ready = [node_id for node_id, others in waiting.items() if not others]
    nearest = {node_id for node_id in waiting if CATALOGUE[graph[node_id]["class_type"]].is_output}
    for _ in range(3):
        found = next((node_id for node_id in ready if node_id in nearest), None)
        if found is not None:
            return found
        nearest = {other for node_id in nearest for other in waiting[node_id]}
    return ready[0]
