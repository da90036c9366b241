"""Server info: reads a server's description of its node classes from the answer to `GET /object_info`.

An input is described as `[type, options]`. An input whose value is chosen from a list is called a choice here. Old
nodes have the list in place of the type; new nodes have the type "COMBO", and the list in the options, under the name
`options`. Observed with ComfyUI 0.3.64, 0.8.0 and 0.33.0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sora_proxy.foreign.bounded_json import as_object

ObjectInfo = Mapping[str, Any]

GROUPS = ("required", "optional")
UPLOADS = ("image_upload", "video_upload", "audio_upload")  # options that mark a choice between uploaded files
OTHER_MEDIA = {"LATENT", "AUDIO", "VIDEO", "MESH", "MODEL", "CLIP", "VAE", "CONDITIONING"}
DYNAMIC = "COMFY_"  # inputs whose type has this prefix have different names in graphs than here


def choices_of(object_info: ObjectInfo, class_type: str, name: str) -> Sequence[Any] | None:
    """The values of a choice; None if the input is not a choice, or its values are uploaded files."""
    config = _config(object_info, class_type, name)
    options = limits_of(object_info, class_type, name)
    if any(options.get(mark) for mark in UPLOADS):
        return None
    choices = config[0] if config and isinstance(config[0], list) else options.get("options")
    return choices if isinstance(choices, list) else None


def limits_of(object_info: ObjectInfo, class_type: str, name: str) -> Mapping[str, Any]:
    """The options of an input, such as `min`, `max` and `step` of a number."""
    config = _config(object_info, class_type, name)
    return as_object(config[1]) if len(config) > 1 else {}


def required_of(object_info: ObjectInfo, class_type: str) -> list[str]:
    """The inputs that a node must have."""
    required = _group(object_info, class_type, "required")
    return [name for name, config in required.items() if _type(config) and not _type(config).startswith(DYNAMIC)]


def outputs_of(object_info: ObjectInfo, class_type: str) -> int | None:
    """The number of a node's outputs, which are numbered from 0; None if the server does not report it."""
    outputs = as_object(object_info.get(class_type)).get("output")
    return len(outputs) if isinstance(outputs, list) else None


def saves_images(object_info: ObjectInfo, class_type: str) -> bool:
    """Whether the images of a node may be results: the node is an output node, and takes images or at least no other
    media."""
    types = {_type(config) for group in GROUPS for config in _group(object_info, class_type, group).values()}
    is_output = as_object(object_info.get(class_type)).get("output_node") is not False
    return is_output and ("IMAGE" in types or not types & OTHER_MEDIA)


def _config(object_info: ObjectInfo, class_type: str, name: str) -> list[Any]:
    for group in GROUPS:
        config = _group(object_info, class_type, group).get(name)
        if isinstance(config, list):
            return config
    return []


def _group(object_info: ObjectInfo, class_type: str, group: str) -> Mapping[str, Any]:
    """The inputs of a class. A description of unknown form yields no inputs; the inputs are then checked only by the
    server itself."""
    return as_object(as_object(as_object(object_info.get(class_type)).get("input")).get(group))


def _type(config: Any) -> str:
    """The type of an input; empty if the input's description has an unknown form."""
    kind = config[0] if isinstance(config, list) and config else None
    if isinstance(kind, list):
        return "COMBO"
    return kind if isinstance(kind, str) else ""
