"""Checking: finds the faults of a graph and of its map, and describes them for the operator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sora_proxy.foreign.bounded_json import as_object
from sora_proxy.upstream.comfyui.mapping import NUMBERS, TEXTS, MapFile, Slot

MAX_LISTED = 12  # names in a message
SAVES = "SaveImage"  # the class of the output node if the map has no `output`
SHOW = ("PreviewImage", "SaveImageWebsocket")  # the classes of nodes that show images without saving them
EDITORS_FORMAT = "is saved in the editor's format: in ComfyUI, use Workflow > Export (API), and save that file here"
NO_GRAPH = (
    "does not contain a workflow in the API format: in ComfyUI, use Workflow > Export (API), and save that file here"
)


def is_link(value: Any) -> bool:
    """Whether the value of an input is the output of another node."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def graph_in(document: Any) -> dict[str, Any]:
    """The graph in a file. Raises ValueError if the file is not in the API format."""
    nodes = as_object(document)
    if isinstance(nodes.get("nodes"), list):
        raise ValueError(EDITORS_FORMAT)  # noqa: TRY004
    if not nodes or not all(map(_is_node, nodes.values())):
        raise ValueError(NO_GRAPH)
    for node_id, node in nodes.items():
        if missing := [link[0] for link in node["inputs"].values() if is_link(link) and link[0] not in nodes]:
            raise ValueError(
                f"node {node_id} ({node['class_type']}) is linked to node {missing[0]}, which does not exist"
            )
    return nodes


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def output_of(graph: Mapping[str, Any], mapping: MapFile) -> str:
    """The node whose images are the result. Raises ValueError."""
    if mapping.output is not None:
        if mapping.output not in graph:
            raise ValueError(f"output: node {mapping.output!r} does not exist; {_saves(graph)}")
        if (class_type := graph[mapping.output]["class_type"]) in SHOW:
            raise ValueError(f"output: node {mapping.output} ({class_type}) saves no images; {_saves(graph)}")
        return mapping.output
    found = [node_id for node_id, node in graph.items() if node["class_type"] == SAVES]
    if len(found) != 1:
        raise ValueError(f"output: must be set, because it is not clear which node is meant; {_saves(graph)}")
    return found[0]


def _saves(graph: Mapping[str, Any]) -> str:
    classes = {node_id: node["class_type"] for node_id, node in graph.items()}
    found = [f"{node_id} ({each})" for node_id, each in classes.items() if "Save" in each and each not in SHOW]
    return f"the nodes that save images are {listed(found)}" if found else "no node of the graph saves images"


def faults_of(graph: Mapping[str, Any], mapping: MapFile) -> Iterator[str]:
    """The faults of a map. References to other workflows are not checked here."""
    slots = mapping.slots
    for field, places in slots.items():
        for place in places:
            if fault := _fault_of(field, place, graph):
                yield f"{field}: {fault}"
    if not slots.keys() & {"prompt", "image"}:
        yield 'prompt: must be set. Example: "prompt": "6.text"'
    for field, needed in (
        ("width", "height"),
        ("height", "width"),
        ("mask", "image"),
        ("checkpoints", "checkpoint"),
        ("with_mask", "image"),
    ):
        if getattr(mapping, field) and not getattr(mapping, needed):
            yield f"{needed}: must be set if {field!r} is set"
    if (mapping.max_images or 1) > 1 and not mapping.count:
        yield "count: must be set if 'max_images' is more than 1"
    if len(mapping.sizes) > 1 and not mapping.width:
        yield "width: must be set if there are several 'sizes'"


def _fault_of(field: str, place: Slot, graph: Mapping[str, Any]) -> str | None:
    node_id, name = place
    node = graph.get(node_id)
    if node is None:
        nodes = [f"{each} ({node['class_type']})" for each, node in graph.items()]
        return f"node {node_id!r} does not exist; the nodes are {listed(nodes)}"
    where = f"node {node_id} ({node['class_type']})"
    inputs = node["inputs"]
    if name not in inputs:
        return f"{where} has no input {name!r}; it has {listed(list(inputs)) or 'none'}"
    value = inputs[name]
    if is_link(value):
        return f"the input {name!r} of {where} is linked to node {value[0]}: name the node that contains the value"
    if field in TEXTS and not isinstance(value, str):
        return f"the input {name!r} of {where} does not contain a string"
    if field in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        return f"the input {name!r} of {where} does not contain a number"
    return None


def listed(names: Sequence[Any]) -> str:
    """The text that lists names in a message. At most `MAX_LISTED` names are listed, and the rest is counted."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(str(name) for name in names[:MAX_LISTED]) + more
