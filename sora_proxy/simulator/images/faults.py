"""Faults: the faults that can be injected, and how each of them changes the answer to a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator.fault_parameters import Kind, choice, flag, integer, number, text
from sora_proxy.simulator.faults import Rule
from sora_proxy.simulator.images.hosted import LIMITS
from sora_proxy.simulator.images.refusals import Reason, Refused

IMAGE_ORDERS = ("generations", "edits", "variations")
ORDERS = (*IMAGE_ORDERS, "chat", "content")
FILE = ("file",)
MODELS = ("models",)
_ANY = (*ORDERS, *MODELS)
_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Link:
    """How an answer links to an image. `relative`: the address is relative; `guarded`: requests to it need the key. The
    first `failures` requests to it fail."""

    relative: bool
    guarded: bool
    failures: int


@dataclass(frozen=True, slots=True)
class Manner:
    """How one call is answered; the defaults are for a call without a fault."""

    refusal: Refused | None = None
    registered: bool = True  # the order is counted, even if the call is refused or dropped, or answered with a page
    dropped: bool = False
    page: bool = False  # HTML instead of an answer
    empty: bool = False  # an answer without images
    words: str | None = None  # a text instead of images, in answers to chats and from Gemini
    moderated: bool = False  # xAI's refusal, which has status 200
    finish_reason: str = "STOP"  # Gemini's `finishReason`; with any other value there is no image
    block_reason: str | None = None  # Gemini's reason for blocking a prompt
    declared_type: str | None = None  # the media type that the answer declares; None: the real one
    min_bytes: int = 0  # the minimum size of each image
    wrapped: bool = False  # whether the base64 is broken into lines
    link: Link | None = None
    silence: float = 0.0  # seconds before the answer, or between the partial images of a stream
    ending: str = "whole"  # how a stream ends: "whole", "cut", or the code of an error event


NORMAL = Manner()

KINDS: Mapping[str, Kind] = {
    "unauthorized": Kind(_ANY),
    "rate_limited": Kind(
        ORDERS,
        {
            "seconds": number(12.0, 0, _SECONDS),
            "header": choice("none", "retry-after", "retry-after-ms"),
            "limits": flag(default=True),
        },
        also=MODELS,
    ),
    "moderation_blocked": Kind(ORDERS),
    "insufficient_quota": Kind(ORDERS),
    "unverified_organization": Kind(ORDERS),
    "blocked_account": Kind(ORDERS),
    "wrong_country": Kind(_ANY),
    "server_error": Kind(
        ORDERS,
        {"status": integer(500, 500, 599), "code": text(None), "registered": flag(default=True)},
        also=MODELS,
    ),
    "drop": Kind(ORDERS, {"registered": flag(default=True)}, also=MODELS),
    "html": Kind(ORDERS, {"registered": flag(default=True)}, also=MODELS),
    "empty": Kind(ORDERS),
    "words": Kind(("chat", "content"), {"text": text("I can't make this image.")}),
    "moderated_result": Kind(IMAGE_ORDERS),
    "finish_reason": Kind(("content",), {"reason": text("IMAGE_SAFETY")}),
    "block_reason": Kind(("content",), {"reason": text("PROHIBITED_CONTENT")}),
    "wrong_type": Kind(("content", "chat"), {"type": text("image/webp")}),
    "large": Kind(ORDERS, {"bytes": integer(6_000_000, 1, 64 * 2**20)}),
    "wrapped_base64": Kind(ORDERS),
    "link": Kind(
        ORDERS,
        {"relative": flag(default=False), "guarded": flag(default=False), "failures": integer(0, 0, 1000)},
    ),
    "silence": Kind(ORDERS, {"seconds": number(30.0, 0, _SECONDS)}),
    "unfinished_stream": Kind(ORDERS),
    "error_event": Kind(ORDERS, {"code": text("server_error")}),
    "file_status": Kind(
        FILE, {"status": integer(500, 400, 599), "code": text(None), "registered": flag(default=False)}
    ),
}


def _rate_limited(given: Mapping[str, Any]) -> Manner:
    seconds, header = given["seconds"], given["header"]
    headers = dict(LIMITS) | {"x-ratelimit-remaining-requests": "0"} if given["limits"] else {}
    if header == "retry-after":
        headers["retry-after"] = f"{round(seconds)}"
    if header == "retry-after-ms":
        headers["retry-after-ms"] = f"{round(seconds * 1000)}"
    refused = Refused(Reason.rate_limited, "gpt-image-1.5", f"{seconds:g}", headers=headers)
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"}
    refused.details = (delay,)  # only Google's errors have details
    return Manner(refusal=refused, registered=False)


def _server_error(given: Mapping[str, Any]) -> Manner:
    changes = {name: given[name] for name in ("status", "code") if given[name] is not None}
    return Manner(refusal=Refused(Reason.failed, changes=changes), registered=given["registered"])


def _refusal(reason: Reason) -> Callable[[Mapping[str, Any]], Manner]:
    return lambda _: Manner(refusal=Refused(reason, "gpt-image-1.5", "sk-…"), registered=False)


_MANNERS: Mapping[str, Callable[[Mapping[str, Any]], Manner]] = {
    "unauthorized": _refusal(Reason.wrong_key),
    "rate_limited": _rate_limited,
    "moderation_blocked": _refusal(Reason.moderated),
    "insufficient_quota": _refusal(Reason.no_credit),
    "unverified_organization": _refusal(Reason.unverified),
    "blocked_account": _refusal(Reason.blocked),
    "wrong_country": _refusal(Reason.wrong_country),
    "server_error": _server_error,
    "drop": lambda given: Manner(dropped=True, registered=given["registered"]),
    "html": lambda given: Manner(page=True, registered=given["registered"]),
    "empty": lambda _: Manner(empty=True),
    "words": lambda given: Manner(words=given["text"]),
    "moderated_result": lambda _: Manner(moderated=True),
    "finish_reason": lambda given: Manner(finish_reason=given["reason"]),
    "block_reason": lambda given: Manner(block_reason=given["reason"]),
    "wrong_type": lambda given: Manner(declared_type=given["type"]),
    "large": lambda given: Manner(min_bytes=given["bytes"]),
    "wrapped_base64": lambda _: Manner(wrapped=True),
    "link": lambda given: Manner(link=Link(given["relative"], given["guarded"], given["failures"])),
    "silence": lambda given: Manner(silence=given["seconds"]),
    "unfinished_stream": lambda _: Manner(ending="cut"),
    "error_event": lambda given: Manner(ending=given["code"]),
    "file_status": _server_error,
}


def manner_of(rule: Rule | None) -> Manner:
    """Return the manner that a rule demands, or the normal manner if there is no rule."""
    return NORMAL if rule is None else _MANNERS[rule.fault](rule.parameters)
