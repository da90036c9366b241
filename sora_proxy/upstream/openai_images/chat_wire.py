"""The wire of chat completions: an order is a message, and the answer of the model contains the image.

OpenRouter returns images in `message.images`, according to its documents "Image Generation" and "Errors and Debugging".
Other services write Markdown into `content`, or send `content` as a list of parts.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from sora_proxy.errors import Fault
from sora_proxy.foreign.bounded_json import as_object, objects_in
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images.faults import against_rules, answered_in_words
from sora_proxy.upstream.openai_images.orders import Input, Order, nearest_ratio
from sora_proxy.upstream.openai_images.profiles import Profile, Sizes

IMAGE_PREFIXES = ("http://", "https://", "data:")  # in a text, an address with another prefix is not a generated image
LINK = re.compile(r"[^\]]*\]\(\s*<?([^\s)>]+)")  # the rest of a Markdown image after its `![`


def order_of(submission: Submission, profile: Profile, inputs: Mapping[InputImage, Input]) -> Order:
    """The call for an order, including the content of its images. Large images block the thread for some
    milliseconds."""
    spec = submission.spec
    images = [{"type": "image_url", "image_url": {"url": inputs[image].data_uri}} for image in submission.images]
    content = [{"type": "text", "text": spec.prompt}, *images] if images else spec.prompt
    message = {"role": "user", "content": content}
    fields: dict[str, Any] = {"model": submission.model, "messages": [message], "stream": False}
    if profile.sizes is Sizes.ratio:
        fields["image_config"] = {"aspect_ratio": nearest_ratio((spec.width, spec.height), profile.ratios)}
    return Order("/chat/completions", orjson.dumps({**fields, **profile.fixed_fields}), "application/json")


def images_in(document: Mapping[str, Any]) -> list[str]:
    """The images in an answer, each as a data URI or an address."""
    message = _message(document)
    parts = [*objects_in(message.get("images")), *objects_in(message.get("content"))]
    linked = [
        link for text in _text(message).split("![")[1:] if (link := _link(text)) and link.startswith(IMAGE_PREFIXES)
    ]
    return [address for address in [*map(_address, parts), *linked] if address]


def refusal_in(document: Mapping[str, Any]) -> Fault:
    """The fault of an answer with status 200 that contains no image."""
    if _choice(document).get("finish_reason") == "content_filter":
        return against_rules()
    message = _message(document)
    refusal = message.get("refusal")
    return answered_in_words(refusal if isinstance(refusal, str) else _text(message))


def _choice(document: Mapping[str, Any]) -> dict[str, Any]:
    return next(iter(objects_in(document.get("choices"))), {})


def _message(document: Mapping[str, Any]) -> dict[str, Any]:
    return as_object(_choice(document).get("message"))


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    texts = (part.get("text") for part in objects_in(content))
    return "\n".join(text for text in texts if isinstance(text, str))


def _address(part: dict[str, Any]) -> str | None:
    image = part.get("image_url")
    address = image.get("url") if isinstance(image, dict) else image
    return address if isinstance(address, str) else None


def _link(text: str) -> str | None:
    found = LINK.match(text)
    return found[1] if found else None
