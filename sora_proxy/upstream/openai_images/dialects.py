"""Dialects: the functions that write orders and read answers, for each wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sora_proxy.errors import Fault
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.openai_images import chat_wire, gemini_wire, images_wire
from sora_proxy.upstream.openai_images.orders import Input, Order
from sora_proxy.upstream.openai_images.profiles import Profile, Wire

Document = Mapping[str, Any]  # the JSON object in an answer with status 200


@dataclass(frozen=True, slots=True)
class Dialect:
    """The functions of one wire. `images_in` returns base64, data URIs or addresses, and `refusal_in` the fault of an
    answer without images.

    `other_texts` is the maximum number of other base64 strings in an answer, such as the signatures and sketches of a
    model that thinks. These precede the image, and can't be distinguished from the image until the answer has ended.
    """

    order_of: Callable[[Submission, Profile, Mapping[InputImage, Input]], Order]
    images_in: Callable[[Document], list[str]]
    refusal_in: Callable[[Document], Fault]
    usage_in: Callable[[Document], Any] = images_wire.usage_in
    models_in: Callable[[Document], Any] = images_wire.models_in
    other_texts: int = 0


DIALECTS = {
    Wire.images: Dialect(images_wire.order_of, images_wire.images_in, images_wire.refusal_in),
    Wire.chat: Dialect(chat_wire.order_of, chat_wire.images_in, chat_wire.refusal_in, other_texts=8),
    Wire.gemini: Dialect(
        gemini_wire.order_of,
        gemini_wire.images_in,
        gemini_wire.refusal_in,
        gemini_wire.usage_in,
        gemini_wire.models_in,
        other_texts=8,
    ),
}
