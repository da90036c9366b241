"""Requests: an order as a server with OpenAI's Images API gets it, by its profile."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from pybase64 import b64encode

from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images.profiles import Edits, Profile, Size, Sizes

RATIOS = ((1, 1), (16, 9), (9, 16), (4, 3), (3, 4), (3, 2), (2, 3), (2, 1), (1, 2))
MAX_PREVIEWS = 3
TAG = "sd_cpp_extra_args"
TAGS = re.compile(rf"<{TAG}>.*?</{TAG}>|{TAG}", re.DOTALL | re.IGNORECASE)
RANDOM_SEED = -1  # without it, stable-diffusion.cpp makes the same image of a prompt each time


@dataclass(frozen=True, slots=True)
class Input:
    """A reference image or a mask, read."""

    content: bytes
    content_type: str

    @property
    def name(self) -> str:
        return f"image.{self.content_type.removeprefix('image/')}"

    @property
    def data_uri(self) -> str:
        return f"data:{self.content_type};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class Order:
    """One call: `path` is below the base URL, `body` is JSON or a form."""

    path: str
    body: bytes | aiohttp.FormData
    content_type: str | None


def order_of(submission: Submission, profile: Profile, inputs: Mapping[InputImage, Input]) -> Order:
    """The call of an order whose images were read. It blocks for some milliseconds with large images."""
    images = [inputs[image] for image in submission.images]
    mask = inputs[submission.mask] if submission.mask else None
    fields = _fields(submission, profile)
    if profile.streams and submission.spec.previews > 0 and submission.n == 1:  # OpenAI streams one image only
        fields |= {"stream": True, "partial_images": min(submission.spec.previews, MAX_PREVIEWS)}
    by_edits = bool(images) and profile.edits in (Edits.form, Edits.json)
    by_edits &= mask is not None or not profile.edits_need_mask
    path = _path(submission.model, profile, "edits" if by_edits else "generations")
    if by_edits and profile.edits is Edits.form:
        return Order(path, _form(fields, images, mask, profile.images_field), None)
    if images:
        fields |= _inline(images, profile)
    return Order(path, orjson.dumps(fields), "application/json")


def _path(model: str, profile: Profile, route: str) -> str:
    return f"/deployments/{model}/images/{route}" if profile.deployment_in_path else f"/images/{route}"


def _fields(submission: Submission, profile: Profile) -> dict[str, Any]:
    spec = submission.spec
    parameters = dict(submission.parameters)
    prompt = _with_seed(spec.prompt, parameters.pop("seed", RANDOM_SEED)) if profile.seed_in_prompt else spec.prompt
    fields: dict[str, Any] = {"prompt": prompt}
    if not profile.deployment_in_path:
        fields["model"] = submission.model
    if profile.counts is not None and submission.n > 1:
        fields[profile.counts] = submission.n
    if profile.asks_for_base64:
        fields["response_format"] = "b64_json"
    fields |= _size_fields((spec.width, spec.height), profile)
    fields |= {profile.names.get(name, name): value for name, value in parameters.items()}
    return {**fields, **profile.always}


def _with_seed(prompt: str, seed: Any) -> str:
    """A prompt with the seed in a tag, and without tags of the client: they could change any setting of the server."""
    # A blank is put in, so that what is left can't become a tag.
    return f"{TAGS.sub(' ', prompt)} <{TAG}>{orjson.dumps({'seed': seed}).decode()}</{TAG}>"


def _size_fields(size: Size, profile: Profile) -> dict[str, str]:
    width, height = _enlarged(size, profile.min_pixels)
    match profile.sizes:
        case Sizes.pixels:
            return {"size": f"{width}x{height}"}
        case Sizes.image_size:
            return {"image_size": f"{width}x{height}"}
        case Sizes.ratio:
            nearest = min(RATIOS, key=lambda ratio: abs(math.log(width / height * ratio[1] / ratio[0])))
            return {"aspect_ratio": f"{nearest[0]}:{nearest[1]}"}
    return {}


def _enlarged(size: Size, min_pixels: int) -> Size:
    """The same shape with at least so many pixels, its sides in steps of 64."""
    width, height = size
    if width * height >= min_pixels:
        return size
    factor = math.sqrt(min_pixels / (width * height))
    return math.ceil(width * factor / 64) * 64, math.ceil(height * factor / 64) * 64


def _form(fields: Mapping[str, Any], images: list[Input], mask: Input | None, images_field: str) -> aiohttp.FormData:
    """Every file part has the type of its bytes: OpenAI refuses `application/octet-stream`."""
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
    if profile.counts == "batch_size":  # numbered fields
        numbered = enumerate(images, 1)
        return {f"image{number}" if number > 1 else "image": image.data_uri for number, image in numbered}
    uris = [image.data_uri for image in images]
    return {profile.images_field: uris if len(uris) > 1 else uris[0]}
