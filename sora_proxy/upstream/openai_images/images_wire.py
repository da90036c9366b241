"""The wire of OpenAI's Images API: writes an order as the server's profile demands, and finds images in an answer."""

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from sora_proxy.errors import Fault
from sora_proxy.foreign.bounded_json import objects_in
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images.faults import against_rules, no_image
from sora_proxy.upstream.openai_images.orders import Input, Order, nearest_ratio
from sora_proxy.upstream.openai_images.profiles import Edits, Profile, Sizes
from sora_proxy.upstream.sizes import Size

MAX_PREVIEWS = 3
IMAGE_FIELDS = ("b64_json", "url", "image")
RANDOM_SEED = -1  # without a seed, stable-diffusion.cpp makes the same image for the same prompt


def order_of(submission: Submission, profile: Profile, inputs: Mapping[InputImage, Input]) -> Order:
    """The call for an order, including the content of its images. Large images block the thread for some
    milliseconds."""
    images = [inputs[image] for image in submission.images]
    mask = inputs[submission.mask] if submission.mask else None
    fields = _fields(submission, profile)
    streams = profile.capabilities.of(submission.model).single_previews
    if streams and submission.spec.previews > 0 and submission.n == 1:
        fields |= {"stream": True, "partial_images": min(submission.spec.previews, MAX_PREVIEWS)}
    by_edits = bool(images) and profile.edits in (Edits.form, Edits.json)
    by_edits &= mask is not None or not profile.edits_need_mask
    path = _path(submission.model, profile, "edits" if by_edits else "generations")
    if by_edits and profile.edits is Edits.form:
        return Order(path, _form(fields, images, mask, profile.images_field), None)
    if images:
        fields |= _inline(images, profile)
    return Order(path, orjson.dumps(fields), "application/json")


def images_in(document: Mapping[str, Any]) -> list[str]:
    """The images in an answer, each as base64, a data URI or an address."""
    rows = [row for row in _rows(document) if row.get("respect_moderation") is not False]
    found = [[row[name] for name in IMAGE_FIELDS if isinstance(row.get(name), str) and row[name]] for row in rows]
    return [texts[0] for texts in found if texts]


def refusal_in(document: Mapping[str, Any]) -> Fault:
    """The fault of an answer with status 200 that contains no image."""
    moderated = any(row.get("respect_moderation") is False for row in _rows(document))  # from xAI
    return against_rules() if moderated else no_image()


def usage_in(document: Mapping[str, Any]) -> Any:
    return document.get("usage")


def models_in(listed: Mapping[str, Any]) -> Any:
    return listed.get("data")


def _rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return objects_in(document.get("data") or document.get("images"))


def _path(model: str, profile: Profile, route: str) -> str:
    return f"/deployments/{model}/images/{route}" if profile.deployment_in_path else f"/images/{route}"


def _fields(submission: Submission, profile: Profile) -> dict[str, Any]:
    spec = submission.spec
    parameters = dict(submission.parameters)
    fields: dict[str, Any] = {"prompt": _prompt(spec.prompt, parameters, profile)}
    if not profile.deployment_in_path:
        fields["model"] = submission.model
    if profile.count_field is not None and submission.n > 1:
        fields[profile.count_field] = submission.n
    if profile.asks_for_base64:
        fields["response_format"] = "b64_json"
    fields |= _size_fields((spec.width, spec.height), profile)
    fields |= {profile.names.get(name, name): value for name, value in parameters.items()}
    return {**fields, **profile.fixed_fields}


def _prompt(prompt: str, parameters: dict[str, Any], profile: Profile) -> str:
    """The prompt, with the parameters that the server reads from a prompt. These are removed from `parameters`."""
    if profile.negative_after and "negative_prompt" in parameters:
        prompt += profile.negative_after + parameters.pop("negative_prompt")
    if (tag := profile.settings_tag) is not None:
        own = {name: parameters.pop(name) for name in ("seed", "negative_prompt") if name in parameters}
        settings = orjson.dumps({"seed": RANDOM_SEED} | own).replace(b"<", rb"\u003c").decode()
        prompt = f"{_without(tag, prompt)} <{tag}>{settings}</{tag}>"
    return prompt


def _without(tag: str, prompt: str) -> str:
    """A prompt without settings tags and what they enclose, because a client could change any setting with them. What
    remains can't form a new tag."""
    pattern = re.compile(rf"<{tag}.*?(?:</{tag}>|$)|</{tag}>", re.IGNORECASE | re.DOTALL)
    before = None
    while prompt != before:
        before, prompt = prompt, pattern.sub("", prompt)
    return prompt.strip()


def _size_fields(size: Size, profile: Profile) -> dict[str, str]:
    width, height = size
    match profile.sizes:
        case Sizes.pixels:
            return {"size": f"{width}x{height}"}
        case Sizes.image_size:
            return {"image_size": f"{width}x{height}"}
        case Sizes.ratio:
            return {"aspect_ratio": nearest_ratio(size, profile.ratios)}
    return {}


def _form(fields: Mapping[str, Any], images: list[Input], mask: Input | None, images_field: str) -> aiohttp.FormData:
    """A form in which each file has its real media type, since OpenAI refuses `application/octet-stream`."""
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    for image in images:
        name = images_field if len(images) > 1 else images_field.removesuffix("[]")
        form.add_field(name, image.content, content_type=image.content_type, filename=image.name)
    if mask is not None:
        form.add_field("mask", mask.content, content_type=mask.content_type, filename=mask.name)
    return form


def _inline(images: list[Input], profile: Profile) -> dict[str, Any]:
    """Reference images as data URIs."""
    if profile.edits is Edits.json:
        return {profile.images_field: [{"type": "image_url", "url": image.data_uri} for image in images]}
    if profile.count_field == "batch_size":  # SiliconFlow has a numbered field for each image
        numbered = enumerate(images, 1)
        return {f"image{number}" if number > 1 else "image": image.data_uri for number, image in numbered}
    uris = [image.data_uri for image in images]
    return {profile.images_field: uris if len(uris) > 1 else uris[0]}
