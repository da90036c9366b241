"""Problems: the reasons why a server can't run a workflow, as messages to the operator. No I/O."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sora_proxy.upstream.comfyui.checking import is_link, listed
from sora_proxy.upstream.comfyui.mapping import Slot
from sora_proxy.upstream.comfyui.server_info import (
    ObjectInfo,
    choices_of,
    limits_of,
    outputs_of,
    required_of,
    saves_images,
)
from sora_proxy.upstream.comfyui.workflows import Workflow

Nodes = Mapping[str, Any]


def problems_of(workflow: Workflow, object_info: ObjectInfo) -> str | None:
    """The reasons why a server can't run a workflow that was fitted to it; None: the server can run it.

    `object_info` is the server's answer about node classes.
    """
    return "; ".join(dict.fromkeys(_problems(workflow, object_info))) or None


def _problems(workflow: Workflow, object_info: ObjectInfo) -> Iterator[str]:
    classes = dict.fromkeys(node["class_type"] for node in workflow.graph.values())
    if missing := [repr(each) for each in classes if each not in object_info]:
        nodes = f"node{'s' if len(missing) > 1 else ''} {listed(missing)}"
        yield f"the server has no {nodes}: install the custom nodes, or update ComfyUI"
    known = {node_id: node for node_id, node in workflow.graph.items() if node["class_type"] in object_info}
    mapped = {place for places in workflow.slots.values() for place in places}
    for node_id in known:
        for problem in (*_of_inputs(node_id, known, object_info, mapped), *_of_links(node_id, known, object_info)):
            yield f"node {node_id} ({known[node_id]['class_type']}){problem}"
    output = known.get(workflow.output)
    if output and not saves_images(object_info, output["class_type"]):
        yield f"output: node {workflow.output} ({output['class_type']}) saves no images: choose a node that does"
    if too_large := [f"{width}x{height}" for width, height in workflow.sizes if max(width, height) > workflow.max_side]:
        yield f"sizes: {listed(too_large)} exceed the server's maximum of {workflow.max_side} pixels a side"


def _of_inputs(node_id: str, nodes: Nodes, object_info: ObjectInfo, mapped: Collection[Slot]) -> Iterator[str]:
    class_type, inputs = nodes[node_id]["class_type"], nodes[node_id]["inputs"]
    for name in required_of(object_info, class_type):
        if name not in inputs:
            yield f" has no input {name!r}, which the server needs: export the workflow again from this ComfyUI"
    for name, value in inputs.items():
        choices, limits = choices_of(object_info, class_type, name), limits_of(object_info, class_type, name)
        if choices is not None and not isinstance(value, list | dict) and value not in choices:
            there = f"it has {listed(choices)}" if choices else "it has none"
            yield f": the server has no {str(value)[:100]!r} for {name!r}; {there}"
        if (node_id, name) not in mapped and _exceeds(value, limits):  # an order replaces the value of a mapped input
            yield f": {name!r} is {value}, but the server's limits are {limits.get('min')} and {limits.get('max')}"


def _exceeds(value: Any, limits: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    least, most = limits.get("min"), limits.get("max")
    return (isinstance(least, int | float) and value < least) or (isinstance(most, int | float) and value > most)


def _of_links(node_id: str, nodes: Nodes, object_info: ObjectInfo) -> Iterator[str]:
    for name, value in nodes[node_id]["inputs"].items():
        if is_link(value) and value[0] in nodes:
            source = nodes[value[0]]["class_type"]
            outputs = outputs_of(object_info, source)
            if outputs is not None and not 0 <= value[1] < outputs:
                yield f": {name!r} is linked to output {value[1]} of node {value[0]} ({source}), which has {outputs}"
