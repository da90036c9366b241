"""Orders: reads orders, and refuses those that the simulated server would refuse."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from sora_proxy.simulator.images.profile import Edits, Fields, Profile
from sora_proxy.simulator.images.reading import File, Received, inline_file
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.sizes import Size, Sizes

SETTINGS = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>", re.DOTALL)
UNTYPED = "application/octet-stream"
QUALITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Order:
    """An order; `prompt` is None for variations."""

    prompt: str | None
    model: str
    size: Size
    n: int = 1
    response_format: str = "b64_json"
    output_format: str = "png"
    quality: str = "high"
    background: str = "opaque"
    partial_images: int | None = None  # None: no stream
    references: tuple[File, ...] = ()
    mask: File | None = None
    endpoint: str = "generations"


def order_of(received: Received, profile: Profile) -> Order:
    """Read an order of the Images API. Raises Refused."""
    given = received.fields
    model = model_of(received, profile)
    references, mask = _images_of(received, profile)
    _check_names(given, profile.fields, received, model)
    prompt = None if received.endpoint == "variations" else prompt_of(given.get("prompt"), profile.fields)
    n = count_of(received, profile.fields)
    order = Order(
        prompt,
        model,
        size_of(given, sizes_of(profile.fields, model)),
        n,
        response_format=_response_format(received, profile),
        output_format=_output_format(received, profile.fields),
        partial_images=_partial_images(given, n, profile.fields),
        quality=given["quality"] if given.get("quality") in QUALITIES else "high",
        background=given["background"] if given.get("background") == "transparent" else "opaque",
        references=references,
        mask=mask,
        endpoint=received.endpoint,
    )
    check_images(order, received, profile)
    return with_settings(order) if profile.fields.settings_in_prompt else order


def model_of(received: Received, profile: Profile) -> str:
    """Return the model of an order. Raises Refused."""
    model = received.model_in_path or received.fields.get("model")
    if model is None and not profile.fields.needs_model:
        return profile.models[0]
    if not model or not isinstance(model, str):
        raise Refused(Reason.no_model)
    if model not in profile.models and not profile.fields.any_model:
        raise Refused(Reason.unknown_model, "model", model)
    return model


def prompt_of(prompt: Any, fields: Fields) -> str:
    """Check a prompt. Raises Refused."""
    if not isinstance(prompt, str):
        raise Refused(Reason.no_prompt, "prompt")
    if len(prompt) < fields.min_prompt:
        raise Refused(Reason.empty_prompt, "prompt")
    if len(prompt) > fields.max_prompt:
        raise Refused(Reason.long_prompt, "prompt", len(prompt), str(fields.max_prompt))
    return prompt


def count_of(received: Received, fields: Fields) -> int:
    """Return the number of images. Raises Refused."""
    value = received.fields.get(fields.count) if fields.count else None
    if value is None:
        return 1
    if received.is_form and isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:9])
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(Reason.bad_type, fields.count, value, "number")
    if fields.cuts_count:
        return max(1, min(value, fields.max_count))
    if not 1 <= value <= fields.max_count:
        raise Refused(Reason.bad_count, fields.count, value, f"from 1 to {fields.max_count}")
    return value


def sizes_of(fields: Fields, model: str) -> Sizes:
    """Return the sizes of a model."""
    return next((sizes for name, sizes in fields.families.items() if model.startswith(name)), fields.sizes)


def size_of(given: Mapping[str, Any], sizes: Sizes) -> Size:
    """Return the size of the images in pixels. Raises Refused."""
    value = given.get(sizes.sent_as)
    size = sizes.size_of(value)
    if size is None:
        raise Refused(Reason.bad_size, sizes.sent_as, value)
    return size


def check_images(order: Order, received: Received, profile: Profile) -> None:
    """Check the images of an order. Raises Refused."""
    files = profile.files
    for file in received.files:
        if not files.untyped and file.declared_type.startswith(UNTYPED):
            raise Refused(Reason.untyped_file, file.field, file.declared_type)
    if len(order.references) > files.max_images:
        raise Refused(Reason.many_images, order.references[0].field, len(order.references), str(files.max_images))
    if received.endpoint in ("edits", "variations") and not order.references:
        raise Refused(Reason.no_image, "image")
    if received.endpoint == "edits" and files.needs_mask and order.mask is None:
        raise Refused(Reason.no_mask, "mask")


def with_settings(order: Order) -> Order:
    """Read the size from the settings tag in the prompt, and remove the tag, as stable-diffusion.cpp does. Raises
    Refused."""
    found = SETTINGS.search(order.prompt or "")
    if found is None:
        return order
    try:
        settings = orjson.loads(found[1])
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.bad_settings, "prompt") from error
    sides = [settings.get(name, side) for name, side in zip(("width", "height"), order.size, strict=True)]
    if not all(isinstance(side, int) and 0 < side <= 4096 for side in sides):
        raise Refused(Reason.bad_settings, "prompt")
    return replace(order, size=(sides[0], sides[1]), prompt=SETTINGS.sub("", order.prompt or "").strip())


def _images_of(received: Received, profile: Profile) -> tuple[tuple[File, ...], File | None]:
    """Return the reference images and the mask, from the form or the JSON fields. Raises Refused."""
    files, edits = profile.files, received.endpoint != "generations"
    if edits and files.edits is Edits.form and not received.is_form:
        raise Refused(Reason.not_a_form, None, "application/json")
    inline = files.names if edits and files.edits is Edits.json else () if edits else files.inline
    for name in inline:
        value = received.fields.get(name)
        values = value if isinstance(value, list) else [value] if value is not None else []
        received.files += [inline_file(name, each) for each in values]
    references = tuple(file for file in received.files if file.field in (*files.names, *files.inline))
    for name in files.names:
        same = [file for file in references if file.field == name]
        if received.is_form and not name.endswith("[]") and len(same) > 1:
            raise Refused(Reason.repeated_file, name)
    return references, next((file for file in received.files if file.field == "mask"), None)


def _check_names(given: Mapping[str, Any], fields: Fields, received: Received, model: str) -> None:
    for name in given:
        if name in fields.refused or (fields.known is not None and name not in fields.known):
            raise Refused(Reason.unknown_field, name, model)
    if received.is_form and fields.known is not None:
        unknown = [file.field for file in received.files if file.field not in ("image", "image[]", "mask")]
        if unknown:
            raise Refused(Reason.unknown_field, unknown[0], model)


def _response_format(received: Received, profile: Profile) -> str:
    formats = profile.fields.response_formats
    if received.endpoint == "edits" and profile.fields.edit_response_formats is not None:
        formats = profile.fields.edit_response_formats
    return _choice(received, "response_format", formats) or "b64_json"


def _output_format(received: Received, fields: Fields) -> str:
    formats = fields.output_formats if received.endpoint == "generations" else fields.edit_output_formats
    return _choice(received, "output_format", formats) or "png"


def _choice(received: Received, name: str, choices: tuple[str, ...]) -> str | None:
    """Return the value of a field, or its default if it is missing, or None if the server ignores the field."""
    value = received.fields.get(name) if choices else None
    if value is not None and value not in choices:
        raise Refused(Reason.bad_choice, name, value, ", ".join(choices))
    return value or next(iter(choices), None)


def _partial_images(given: Mapping[str, Any], n: int, fields: Fields) -> int | None:
    if not fields.max_partial_images or given.get("stream") not in (True, "true", "True"):
        return None
    if n > 1:
        raise Refused(Reason.stream_of_many, "stream")
    value = given.get("partial_images", 0)
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else -1
    if not 0 <= number <= fields.max_partial_images:
        raise Refused(Reason.bad_count, "partial_images", value, f"from 0 to {fields.max_partial_images}")
    return number
