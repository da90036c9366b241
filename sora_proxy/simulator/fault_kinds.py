"""Fault kinds: the faults that can be injected, with their names, endpoints and parameters."""

from collections.abc import Mapping

from sora_proxy.simulator.fault_parameters import Kind, choice, flag, integer, number, text

API = ("submit", "list", "task", "upload", "parameters")
MEDIA = ("media",)
SUBMIT = ("submit",)

_RETRY_AFTER = {"retry_after": integer(None, 0, 1_000_000), "as_date": flag(default=False)}
_REGISTERED = {"registered": flag(default=False)}
_SECONDS = 86_400.0
_MEGABYTES = integer(300, 1, 4096)

_ANSWERS: dict[str, Kind] = {
    "unauthorized": Kind(API, {"code": choice("token_expired", "token_invalidated")}),
    "forbidden": Kind(API, {"code": text("unsupported_country_code"), "status": choice(403, 451)}),
    "challenge": Kind(
        API,
        {"status": choice(403, 429, 503), "header": flag(default=True), "page": choice("modern", "legacy")},
        also=MEDIA,
    ),
    "too_many_tasks": Kind(SUBMIT, {"num_tasks": integer(1, 1, 1000), "told_by": choice("code", "details", "text")}),
    "quota": Kind(API, {"code": text("rate_limit_exhausted"), "status": choice(429, 402, 403), **_RETRY_AFTER}),
    "rate_limited": Kind(API, _RETRY_AFTER),
    "server_error": Kind(API, {"status": integer(500, 500, 599), **_REGISTERED}, also=MEDIA),
    "drop": Kind(
        API,
        {"reset": flag(default=True), "after": choice("request", "half"), **_REGISTERED},
        also=MEDIA,
    ),
    "hang": Kind(API, {"seconds": number(None, 0, _SECONDS), **_REGISTERED}, also=MEDIA),
    "slow_body": Kind(API, {"bytes": integer(1, 1, 2**20), "seconds": number(10.0, 0, _SECONDS)}, also=MEDIA),
    "garbage": Kind(API, {"kind": choice("text", "truncated", "empty"), **_REGISTERED}),
    "encoded": Kind(API, {"encoding": text("br"), **_REGISTERED}, also=MEDIA),
    "html": Kind(API, _REGISTERED, also=MEDIA),
    "shape": Kind(
        API,
        {"kind": choice("missing", "list", "null", "string", "numbers", "strings", "rows"), **_REGISTERED},
    ),
    "oversize": Kind(API, {"megabytes": _MEGABYTES, "declared": flag(default=False), **_REGISTERED}),
    "policy": Kind(SUBMIT, {"code": text("content_policy_violation")}),
    "account": Kind(
        API,
        {"code": choice("phone_number_required", "onboarding_required"), "status": choice(403, 401)},
    ),
    "no_images": Kind(("parameters",)),
    "media_status": Kind(MEDIA, {"status": integer(403, 400, 599)}),
    "media_cut": Kind(MEDIA, {"share": number(0.5, 0, 1), "reset": flag(default=False)}),
    "media_type": Kind(MEDIA, {"content_type": text("text/plain")}),
    "media_html": Kind(MEDIA, {"content_type": text("text/html")}),
    "media_svg": Kind(MEDIA, {"content_type": text("image/svg+xml")}),
    "media_oversize": Kind(MEDIA, {"megabytes": _MEGABYTES, "declared": flag(default=False)}),
    "media_gzip_bomb": Kind(MEDIA, {"megabytes": _MEGABYTES}),
    "media_pixel_bomb": Kind(MEDIA, {"width": integer(40_000, 1, 2**31 - 1), "height": integer(40_000, 1, 2**31 - 1)}),
}

_FATES: dict[str, Kind] = {
    "never_finish": Kind(SUBMIT, is_fate=True),
    "vanish": Kind(
        SUBMIT,
        {
            "after": number(0.0, 0, _SECONDS),
            "seconds": number(None, 0, _SECONDS),
            "alone_too": flag(default=True),
        },
        is_fate=True,
    ),
    "moderation": Kind(
        SUBMIT, {"code": text("content_policy_violation"), "needs_user_review": flag(default=False)}, is_fate=True
    ),
    "fail": Kind(
        SUBMIT,
        {"status": choice("failed", "error", "cancelled", "rejected"), "reason": text("The task could not be done.")},
        is_fate=True,
    ),
    "no_urls": Kind(SUBMIT, is_fate=True),
    "unknown_status": Kind(SUBMIT, {"status": text("calibrating"), "for_ever": flag(default=False)}, is_fate=True),
    "null_progress": Kind(SUBMIT, is_fate=True),
    "unsafe": Kind(SUBMIT, {"count": integer(1, 1, 4)}, is_fate=True),
}

KINDS: Mapping[str, Kind] = {**_ANSWERS, **_FATES}
