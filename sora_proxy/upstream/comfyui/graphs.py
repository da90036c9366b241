"""Graphs: derives a server's models from the workflows, and builds the graph of an order. No I/O.

A server's answer to `GET /object_info` shows its nodes, files and limits. `fitted` fits a workflow to a server, and
`problems.py` describes what the server lacks. `models_of` and `graph_for` are called with the fitted workflows that the
server can run.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from sora_proxy.errors import RequestFault
from sora_proxy.settings.kinds import MAX_MODEL_NAME
from sora_proxy.spec import PARAMETERS
from sora_proxy.upstream import ANY_SIZE, Abilities, Submission
from sora_proxy.upstream.comfyui.checking import is_link
from sora_proxy.upstream.comfyui.mapping import Slot
from sora_proxy.upstream.comfyui.server_info import ObjectInfo, choices_of, limits_of
from sora_proxy.upstream.comfyui.workflows import Graph, Workflow
from sora_proxy.upstream.sizes import Size, SizeRule

MIN_SIDE, MAX_PIXELS, MAX_RATIO = 64, 2048 * 2048, 4  # the limits of a size if the map does not list sizes


def models_of(workflows: Mapping[str, Workflow]) -> dict[str, Abilities]:
    """The models of the workflows, with their abilities. Clients can order a workflow under its NAME, and as
    NAME/CHECKPOINT with each of its checkpoints."""
    models: dict[str, Abilities] = {}
    for workflow in workflows.values():
        for checkpoint in ("", *workflow.available):
            name = f"{workflow.name}/{checkpoint}" if checkpoint else workflow.name
            if name.isprintable() and len(name) <= MAX_MODEL_NAME:
                models[name] = _abilities(workflow, checkpoint, workflows)
    return models


def _abilities(workflow: Workflow, checkpoint: str, workflows: Mapping[str, Workflow]) -> Abilities:
    """The abilities of a model. Orders with a reference image or a mask may use other workflows."""
    own = _own_abilities(workflow)
    edits = _other(workflow, workflow.with_reference, workflows)
    masked = _other(edits, edits.with_mask, workflows)
    if not _has_checkpoint(edits, checkpoint):
        return replace(own, max_references=0)
    masks = "mask" in masked.slots and _has_checkpoint(masked, checkpoint)
    with_reference = _own_abilities(edits)
    if masks and masked is not edits:
        both = _own_abilities(masked)
        with_reference = replace(
            with_reference,
            max_images=min(with_reference.max_images, both.max_images),
            parameters=tuple(dict.fromkeys((*with_reference.parameters, *both.parameters))),
            takes_size=with_reference.takes_size and both.takes_size,
        )
    with_reference = replace(with_reference, masks=masks)
    together = replace(own, max_references=with_reference.max_references, masks=masks)
    return together if edits is workflow and masked is workflow else replace(together, edits=with_reference)


def _own_abilities(workflow: Workflow) -> Abilities:
    return Abilities(
        sizes=workflow.sizes,
        max_images=workflow.max_images,
        max_references=len(workflow.slots.get("image", ())),
        parameters=tuple(name for name in PARAMETERS if name in workflow.slots),
        size_rule=SizeRule(
            step=workflow.size_step,
            min_side=MIN_SIDE,
            max_side=workflow.max_side,
            max_pixels=MAX_PIXELS,
            max_ratio=MAX_RATIO,
        ),
        usual_size=_size_in(workflow) or ANY_SIZE,
        takes_size="width" in workflow.slots,
    )


def _has_checkpoint(workflow: Workflow, checkpoint: str) -> bool:
    """Whether a workflow can be used for a model with this checkpoint in its name. A workflow that maps no checkpoint
    accepts every name, and always uses the checkpoint in its graph."""
    return not checkpoint or "checkpoint" not in workflow.slots or checkpoint in workflow.available


def _size_in(workflow: Workflow) -> Size | None:
    """The size that the graph contains in the slots for width and height; None if it contains none."""
    found = [
        workflow.graph[node]["inputs"].get(name)
        for field in ("width", "height")
        for node, name in workflow.slots.get(field, ())[:1]
    ]
    match found:
        case [int() | float() as width, int() | float() as height] if width >= 1 and height >= 1:
            return int(width), int(height)
    return None


def _other(workflow: Workflow, name: str | None, workflows: Mapping[str, Workflow]) -> Workflow:
    """The workflow with this name, if it can be used, else `workflow` itself."""
    return workflows.get(name, workflow) if name else workflow


def workflow_for(workflows: Mapping[str, Workflow], submission: Submission) -> Workflow:
    """The workflow that produces the images of an order. Raises RequestFault."""
    name = submission.model.partition("/")[0]
    if name not in workflows:
        raise RequestFault("The workflow of this model no longer exists.", code="model_unavailable")
    workflow = workflows[name]
    if submission.images:
        workflow = _other(workflow, workflow.with_reference, workflows)
    if submission.mask:
        workflow = _other(workflow, workflow.with_mask, workflows)
    return workflow


def graph_for(workflows: Mapping[str, Workflow], submission: Submission, seed: int) -> Graph:
    """The graph of an order. `seed`, which is 0 or more, is used if the order has no seed. Raises RequestFault."""
    workflow = workflow_for(workflows, submission)
    graph = copy.deepcopy(dict(workflow.graph))
    for field, value in _values(workflow, submission, seed).items():
        for place in workflow.slots.get(field, ()):
            _set(graph, place, value)
    _set_images(graph, workflow, submission)
    return graph


def _values(workflow: Workflow, submission: Submission, seed: int) -> dict[str, Any]:
    """The values to write to the inputs, by field of the map. If a field is missing, its inputs keep the values that
    they have in the graph."""
    spec = submission.spec
    wanted = submission.parameters.get("seed", -1)
    values = {name: value for name, value in submission.parameters.items() if name in workflow.slots}
    values |= {"prompt": spec.prompt, "width": spec.width, "height": spec.height, "count": submission.n}
    # ComfyUI has no negative seeds; other programs use one to request a random seed.
    values["seed"] = (wanted if wanted >= 0 else seed) % (workflow.max_seed + 1)
    if checkpoint := _checkpoint(workflow, submission.model):
        values["checkpoint"] = checkpoint
    return values


def _checkpoint(workflow: Workflow, model: str) -> str | None:
    """The checkpoint in a model's name; None if there is none. Raises RequestFault if the workflow can't use it."""
    checkpoint = model.partition("/")[2]
    if not _has_checkpoint(workflow, checkpoint):
        raise RequestFault("The checkpoint of this model no longer exists.", code="model_unavailable")
    return checkpoint or None


def _set_images(graph: Graph, workflow: Workflow, submission: Submission) -> None:
    """Set the reference images and the mask. Raises RequestFault if the order has too few images for the workflow, or
    too many.

    Only the first reference image is needed. If the order has fewer than the workflow can load, the nodes that would
    load the missing images are removed.
    """
    files = [image.upload_id for image in submission.images]
    masks = [submission.mask.upload_id] if submission.mask else []
    images = workflow.slots.get("image", ())
    for needed, given, noun in (
        (images, files, "reference image"),
        (workflow.slots.get("mask", ()), masks, "mask"),
    ):
        if needed and not given:
            raise RequestFault(f"The model {workflow.name} needs a {noun}.", code="order_refused")
        if len(given) > len(needed):
            raise RequestFault(f"The model {workflow.name} accepts no further {noun}.", code="order_refused")
    for place, file in zip(images, files, strict=False):
        _set(graph, place, file)
    for place in workflow.slots.get("mask", ()):
        _set(graph, place, masks[0])
    used = {node for node, _ in images[: len(files)]}
    for node, _ in images[len(files) :]:
        if node not in used:
            _take_out(graph, node)


def _set(graph: Graph, place: Slot, value: Any) -> None:
    node, name = place
    graph[node]["inputs"][name] = value


def _take_out(graph: Graph, node_id: str) -> None:
    graph.pop(node_id, None)
    for node in graph.values():
        inputs = node["inputs"]
        node["inputs"] = {name: value for name, value in inputs.items() if not (is_link(value) and value[0] == node_id)}


def fitted(workflow: Workflow, object_info: ObjectInfo) -> Workflow:
    """A workflow, adapted to the checkpoints and the limits of a server. If the server lacks the checkpoint in the
    graph, the first checkpoint of the map that the server has replaces it."""
    available = _available(workflow, object_info)
    limits = {field: _limits(workflow, field, object_info) for field in ("width", "height", "seed", "count")}
    steps = [step for field in ("width", "height") if (step := limits[field].get("step")) and isinstance(step, int)]
    sides = [_maximum(limits[field], workflow.max_side) for field in ("width", "height")]
    return replace(
        workflow,
        graph=_with_checkpoint(workflow, available, object_info),
        available=available,
        size_step=math.lcm(workflow.size_step, *steps),
        max_side=min(sides),
        max_seed=_maximum(limits["seed"], workflow.max_seed),
        max_images=_maximum(limits["count"], workflow.max_images),
    )


def _available(workflow: Workflow, object_info: ObjectInfo) -> tuple[str, ...]:
    """The server's checkpoints that the map lists, in the order of the map's names and patterns."""
    if "checkpoint" not in workflow.slots:
        return ()
    names = _on_server(workflow, workflow.slots["checkpoint"][0], object_info)
    matching = (
        choice
        for pattern in workflow.checkpoints
        for choice in names
        if choice == pattern or fnmatchcase(choice, pattern)
    )
    return tuple(dict.fromkeys(matching))


def _on_server(workflow: Workflow, place: Slot, object_info: ObjectInfo) -> list[str]:
    """The files that a server has for an input."""
    choices = choices_of(object_info, workflow.graph[place[0]]["class_type"], place[1]) or ()
    return [choice for choice in choices if isinstance(choice, str)]


def _with_checkpoint(workflow: Workflow, available: Sequence[str], object_info: ObjectInfo) -> Mapping[str, Any]:
    """The graph, in which the first available checkpoint replaces one that the server lacks."""
    places, graph = workflow.slots.get("checkpoint", ()), workflow.graph
    own = all(graph[place[0]]["inputs"][place[1]] in _on_server(workflow, place, object_info) for place in places)
    if not available or own:
        return graph
    changed = copy.deepcopy(dict(graph))
    for place in places:
        _set(changed, place, available[0])
    return MappingProxyType(changed)


def _limits(workflow: Workflow, field: str, object_info: ObjectInfo) -> Mapping[str, Any]:
    """The options of the first input that a field is mapped to."""
    for node, name in workflow.slots.get(field, ()):
        return limits_of(object_info, workflow.graph[node]["class_type"], name)
    return {}


def _maximum(limits: Mapping[str, Any], present: int) -> int:
    most = limits.get("max")
    return min(present, most) if isinstance(most, int) and most > 0 else present
