"""The faults that can be ordered: their names, where they may strike and what parameters they take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

API = ("submit", "list", "task", "upload", "parameters")
MEDIA = ("media",)
SUBMIT = ("submit",)
NUMBER_TYPES = (int, float)

Complaint = str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault: its default, and what is wrong with a given value."""

    default: Any
    complaint: Callable[[Any], Complaint]


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault: where it strikes unless the order names an endpoint, where else it may, and its parameters."""

    endpoints: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """Every endpoint where the fault may strike."""
        return self.endpoints + self.also


def _flag(*, default: bool) -> Parameter:
    return Parameter(default, lambda value: None if isinstance(value, bool) else "must be true or false")


def _number(default: float | None, low: float, high: float) -> Parameter:
    def complaint(value: Any) -> Complaint:
        if value is None and default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, NUMBER_TYPES) or not low <= value <= high:
            return f"must be a number from {low:g} to {high:g}"
        return None

    return Parameter(default, complaint)


def _integer(default: int | None, low: int, high: int) -> Parameter:
    def complaint(value: Any) -> Complaint:
        if value is None and default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"must be a whole number from {low} to {high}"
        return None

    return Parameter(default, complaint)


def _text(default: str) -> Parameter:
    return Parameter(default, lambda value: None if isinstance(value, str) and value else "must be a text")


def _choice(*choices: Any) -> Parameter:
    words = ", ".join(str(choice) for choice in choices)
    return Parameter(choices[0], lambda value: None if value in choices else f"must be one of: {words}")


_RETRY_AFTER = {"retry_after": _integer(None, 0, 1_000_000), "as_date": _flag(default=False)}
_REGISTERED = {"registered": _flag(default=False)}
_SECONDS = 86_400.0
_MEGABYTES = _integer(300, 1, 4096)

_ANSWERS: dict[str, Kind] = {
    "unauthorized": Kind(API, {"code": _choice("token_expired", "token_invalidated")}),
    "forbidden": Kind(API, {"code": _text("unsupported_country_code"), "status": _choice(403, 451)}),
    "challenge": Kind(
        API,
        {"status": _choice(403, 429, 503), "header": _flag(default=True), "page": _choice("modern", "legacy")},
        also=MEDIA,
    ),
    "too_many_tasks": Kind(SUBMIT, {"num_tasks": _integer(1, 1, 1000), "told_by": _choice("code", "details", "text")}),
    "quota": Kind(API, {"code": _text("rate_limit_exhausted"), "status": _choice(429, 402, 403), **_RETRY_AFTER}),
    "rate_limited": Kind(API, _RETRY_AFTER),
    "server_error": Kind(API, {"status": _integer(500, 500, 599), **_REGISTERED}, also=MEDIA),
    "drop": Kind(
        API,
        {"reset": _flag(default=True), "after": _choice("request", "half"), **_REGISTERED},
        also=MEDIA,
    ),
    "hang": Kind(API, {"seconds": _number(None, 0, _SECONDS), **_REGISTERED}, also=MEDIA),
    "slow_body": Kind(API, {"bytes": _integer(1, 1, 2**20), "seconds": _number(10.0, 0, _SECONDS)}, also=MEDIA),
    "garbage": Kind(API, {"kind": _choice("text", "truncated", "empty"), **_REGISTERED}),
    "encoded": Kind(API, {"encoding": _text("br"), **_REGISTERED}, also=MEDIA),
    "html": Kind(API, _REGISTERED, also=MEDIA),
    "shape": Kind(
        API,
        {"kind": _choice("missing", "list", "null", "string", "numbers", "strings", "rows"), **_REGISTERED},
    ),
    "oversize": Kind(API, {"megabytes": _MEGABYTES, "declared": _flag(default=False), **_REGISTERED}),
    "policy": Kind(SUBMIT, {"code": _text("content_policy_violation")}),
    "account": Kind(
        API,
        {"code": _choice("phone_number_required", "onboarding_required"), "status": _choice(403, 401)},
    ),
    "no_images": Kind(("parameters",)),
    "media_status": Kind(MEDIA, {"status": _integer(403, 400, 599)}),
    "media_cut": Kind(MEDIA, {"share": _number(0.5, 0, 1), "reset": _flag(default=False)}),
    "media_type": Kind(MEDIA, {"content_type": _text("text/plain")}),
    "media_html": Kind(MEDIA, {"content_type": _text("text/html")}),
    "media_svg": Kind(MEDIA, {"content_type": _text("image/svg+xml")}),
    "media_oversize": Kind(MEDIA, {"megabytes": _MEGABYTES, "declared": _flag(default=False)}),
    "media_gzip_bomb": Kind(MEDIA, {"megabytes": _MEGABYTES}),
    "media_pixel_bomb": Kind(
        MEDIA, {"width": _integer(40_000, 1, 2**31 - 1), "height": _integer(40_000, 1, 2**31 - 1)}
    ),
}

_FATES: dict[str, Kind] = {
    "never_finish": Kind(SUBMIT),
    "vanish": Kind(
        SUBMIT,
        {
            "after": _number(0.0, 0, _SECONDS),
            "seconds": _number(None, 0, _SECONDS),
            "alone_too": _flag(default=True),
        },
    ),
    "moderation": Kind(SUBMIT, {"code": _text("content_policy_violation"), "needs_user_review": _flag(default=False)}),
    "fail": Kind(
        SUBMIT,
        {"status": _choice("failed", "error", "cancelled", "rejected"), "reason": _text("The task could not be done.")},
    ),
    "no_urls": Kind(SUBMIT),
    "unknown_status": Kind(SUBMIT, {"status": _text("calibrating"), "for_ever": _flag(default=False)}),
    "null_progress": Kind(SUBMIT),
    "unsafe": Kind(SUBMIT, {"count": _integer(1, 1, 4)}),
}

KINDS: Mapping[str, Kind] = {**_ANSWERS, **_FATES}
FATE_NAMES = frozenset(_FATES)
