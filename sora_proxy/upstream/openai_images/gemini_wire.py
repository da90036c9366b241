"""The wire of Google's Gemini API, `generateContent`, with images among the parts of the answer.

Source: "Gemini API: image generation", "Generating content" and "Troubleshooting" at ai.google.dev. A call makes one
image: models refuse a `candidateCount` above 1.
"""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from sora_proxy.errors import Fault, TaskFailed
from sora_proxy.foreign.bounded_json import as_object, objects_in
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images.faults import against_rules, answered_in_words
from sora_proxy.upstream.openai_images.orders import Input, Order, nearest_ratio
from sora_proxy.upstream.openai_images.profiles import Profile
from sora_proxy.upstream.sizes import Size

BLOCKED = {
    "SAFETY",
    "IMAGE_SAFETY",
    "PROHIBITED_CONTENT",
    "IMAGE_PROHIBITED_CONTENT",
    "BLOCKLIST",
    "RECITATION",
    "IMAGE_RECITATION",
    "SPII",
}
ENDED_WELL = "STOP"
REASON = re.compile(r"[A-Z_]{1,64}")
SIZED_MODEL = re.compile(r"gemini-3(?!.*lite)")  # models that take `imageSize`; the default is 1K
IMAGE_SIZES = {1024: "1K", 2048: "2K", 4096: "4K"}  # by the side of a square with the same number of pixels
USAGE = {
    "promptTokenCount": "input_tokens",
    "candidatesTokenCount": "output_tokens",
    "totalTokenCount": "total_tokens",
}


def order_of(submission: Submission, profile: Profile, inputs: Mapping[InputImage, Input]) -> Order:
    """The call for an order, including the content of its images. Large images block the thread for some
    milliseconds."""
    spec, images = submission.spec, [inputs[image] for image in submission.images]
    files = [{"inlineData": {"mimeType": image.content_type, "data": image.base64}} for image in images]
    size = spec.width, spec.height
    config = {"aspectRatio": nearest_ratio(size, profile.ratios)} | _image_size(submission.model, size)
    fields = {
        "contents": [{"role": "user", "parts": [{"text": spec.prompt}, *files]}],
        "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": config},
    }
    return Order(f"/models/{quote(submission.model)}:generateContent", orjson.dumps(fields), "application/json")


def images_in(document: Mapping[str, Any]) -> list[str]:
    """The images in an answer as base64, without the sketches that the model made while it was thinking."""
    data = [as_object(part.get("inlineData")).get("data") for part in _parts(document)]
    return [each for each in data if isinstance(each, str) and each]


def refusal_in(document: Mapping[str, Any]) -> Fault:
    """The fault of an answer with status 200 that contains no image."""
    reason = _candidate(document).get("finishReason")
    if as_object(document.get("promptFeedback")).get("blockReason") or reason in BLOCKED:
        return against_rules()
    if isinstance(reason, str) and reason != ENDED_WELL and REASON.fullmatch(reason):
        return TaskFailed(f"The model made no image. Its reason: {reason}.")
    texts = (part.get("text") for part in _parts(document))
    return answered_in_words("\n".join(text for text in texts if isinstance(text, str)))


def usage_in(document: Mapping[str, Any]) -> Any:
    usage = as_object(document.get("usageMetadata"))
    return {name: usage.get(theirs) for theirs, name in USAGE.items()}


def models_in(listed: Mapping[str, Any]) -> Any:
    rows = listed.get("models")
    if not isinstance(rows, list):
        return None
    return [{"id": str(row.get("name")).removeprefix("models/")} for row in rows if _generates_content(row)]


def _generates_content(row: Any) -> bool:
    methods = as_object(row).get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods


def _image_size(model: str, size: Size) -> dict[str, str]:
    side = math.sqrt(size[0] * size[1])
    nearest = min(IMAGE_SIZES, key=lambda each: abs(math.log(each / side)))
    return {"imageSize": IMAGE_SIZES[nearest]} if SIZED_MODEL.match(model) and nearest > min(IMAGE_SIZES) else {}


def _candidate(document: Mapping[str, Any]) -> dict[str, Any]:
    return next(iter(objects_in(document.get("candidates"))), {})


def _parts(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = objects_in(as_object(_candidate(document).get("content")).get("parts"))
    return [part for part in parts if part.get("thought") is not True]
