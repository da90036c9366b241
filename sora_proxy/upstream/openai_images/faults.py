"""Faults: maps answers without images to faults.

A fault is chosen by the status of an answer and the codes of its error object. Texts are not used, except for the facts
about a rate limit that OpenAI states only in the text. If no rule applies to an answer to an order, the outcome of the
order is unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    RequestFault,
    SubmissionUnknown,
    TaskFailed,
    UpstreamUnavailable,
)
from sora_proxy.foreign.bounded_json import as_object, objects_in
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream.downloads import REDIRECTS
from sora_proxy.upstream.http_client import refused_on_the_way
from sora_proxy.upstream.openai_images.limits import limit_refused
from sora_proxy.upstream.openai_images.profiles import Profile

MODERATED = {
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "content_filtered",
    "sensitive_content_detected",
    "inputimagesensitivecontentdetected",
    "inputtextsensitivecontentdetected",
    "outputimagesensitivecontentdetected",
    "1301",
}
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "accountoverdueerror", "1113"}
BAD_KEY = {"api_key_invalid", "no_db_connection"}  # with status 400, from Google and LiteLLM
LOOPS = {"loop_detected"}  # from another sora_proxy
# The second code means that Google offers no free tier in the country: another egress, or a paid tier, may help.
WRONG_COUNTRY = {"unsupported_country_region_territory", "failed_precondition"}
NO_CAPACITY = {"model_capacity_exhausted"}  # from Google, with status 429 or 503; other models still work
NO_MODEL = {"model_not_found", "deploymentnotfound", "invalidendpointormodel.notfound", "modelnotopen"}
REJECTED = {
    401: "The back end does not accept the key.",
    402: "The account has no credit left.",
    403: "The account is not allowed to do this. It may be blocked or need verification.",
}
ERROR_WORD = re.compile(r"[\w.-]{1,64}", re.ASCII)
MAX_TEXT = 2000  # characters of a message that are searched
STATUS_IN_BODY = re.compile(r"4\d\d")  # from OpenRouter, for an error in an answer of status 200
MAX_SHOWN_TEXT = 300  # characters of a model's text that are shown
MARKUP = str.maketrans(dict.fromkeys("<>[]`", " "))


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """A back end's description of an error, with empty strings for missing fields.

    `given`: whether the answer contains an error at all. `reason` is more specific than the code. `delay` is the time
    to wait in Google's format, such as 3.3s.
    """

    code: str = ""
    kind: str = ""
    message: str = ""
    reason: str = ""
    delay: str = ""
    given: bool = False

    @property
    def codes(self) -> set[str]:
        return {self.code.lower(), self.kind.lower(), self.reason.lower()} - {""}


def error_object(body: Any) -> ErrorObject:
    """The error in an answer, in whichever format the server describes it."""
    if not isinstance(body, dict):
        return ErrorObject()
    error = next((body[name] for name in ("error", "detail", "message") if body.get(name)), _error_of_choice(body))
    if isinstance(error, str):  # the code, if any, is a field next to it
        return ErrorObject(_word(body.get("code")), _word(body.get("type")), error[:MAX_TEXT], given=True)
    if isinstance(error, list):  # a failed validation, with one object for each field
        return ErrorObject(kind="validation", given=True)
    if not isinstance(error, dict):
        return ErrorObject()
    message, google = error.get("message"), objects_in(error.get("details"))
    text = message[:MAX_TEXT] if isinstance(message, str) else ""
    return ErrorObject(
        _word(error.get("code")),
        _word(error.get("type") or error.get("status")),
        text,
        _reason(error, google),
        next((_word(each["retryDelay"]) for each in google if "retryDelay" in each), ""),
        given=True,
    )


def _error_of_choice(body: dict[str, Any]) -> Any:
    """The error in a choice of a chat answer, where OpenRouter reports faults that occur after the model has begun."""
    return next(iter(objects_in(body.get("choices"))), {}).get("error")


def _reason(error: dict[str, Any], google: list[dict[str, Any]]) -> str:
    """The reason in Google's details, or in the metadata that OpenRouter sends with status 403 for a prompt against its
    rules."""
    if as_object(error.get("metadata")).get("reasons"):
        return "content_filter"
    return next((_word(each["reason"]) for each in google if "reason" in each), "")


def against_rules() -> RequestFault:
    return RequestFault("The order violates the back end's content policy. Change the prompt or a reference image.")


def no_image() -> TaskFailed:
    return TaskFailed("The back end finished without an image.", code="result_unavailable")


def answered_in_words(text: str) -> TaskFailed:
    """The fault of an answer with a text instead of an image. The message to the client contains the text, because
    nothing else explains what to change."""
    plain = "".join(character if character.isprintable() else " " for character in text[: 2 * MAX_SHOWN_TEXT])
    words = " ".join(plain.translate(MARKUP).split())[:MAX_SHOWN_TEXT]
    if not words:
        return no_image()
    return TaskFailed(f"The model answered with words instead of an image: {words}", code="order_refused")


def fault_of(
    status: int, headers: Mapping[str, str], body: Any, account: Account, profile: Profile, model: str | None = None
) -> Fault:
    """The fault of an answer without images. `body` is the answer's JSON; None if the answer is not JSON.

    A rate limit applies to the `model` of the order, or to the family of models that the text names.
    """
    error = error_object(body)
    if refused := refused_on_the_way(status, headers, account.egress):
        return refused
    if fault := _by_codes(error, account):
        return fault
    if status == 200 and STATUS_IN_BODY.fullmatch(error.code):
        status = int(error.code)
    if status == 429 or error.codes & NO_CAPACITY:
        return limit_refused(headers, error.message, error.delay, model)
    if error.codes & profile.refused_codes:
        return UpstreamUnavailable("The back end is not accepting orders at the moment.")
    return _by_status(status, error, account, is_json=body is not None)


def _by_status(status: int, error: ErrorObject, account: Account, *, is_json: bool) -> Fault:
    match status:
        case 401 | 402 | 403 if is_json or status < 403:
            return KeyRejected(REJECTED[status])
        case 403:
            return EgressFault("Something between the egress and the back end refused the call.", egress=account.egress)
        case _ if status in REDIRECTS:
            return UpstreamUnavailable("The back end redirects orders. Check its address.")
        case 404 | 405:
            return RequestFault("The back end does not have this route or model.", code="model_unavailable")
        case 413:
            return RequestFault("The order is too large for the back end.", code="request_too_large")
        case 400 | 422 if error.given:
            return RequestFault(
                "The back end refused this order. Change the prompt, the size, the parameters or the images.",
                code="order_refused",
            )
        case 400 | 422:
            return UpstreamUnavailable("The back end refused the order without giving a reason.")
    return SubmissionUnknown(
        f"The back end answered with status {status}. It is unknown whether it accepted the order."
    )


def _by_codes(error: ErrorObject, account: Account) -> Fault | None:
    if error.codes & MODERATED:
        return against_rules()
    if LOOPS & error.codes:
        return RequestFault("The back end's address leads back to this server.", code="loop_detected")
    if error.codes & BAD_KEY:
        return KeyRejected(REJECTED[401])
    if error.codes & NO_CREDIT:
        return KeyRejected("The account has no credit left.")
    if error.codes & WRONG_COUNTRY:
        return EgressFault(
            "The back end does not serve the country of the egress.", egress=account.egress, code="upstream_country"
        )
    if error.codes & NO_MODEL:
        return RequestFault("The back end does not have the model.", code="model_unavailable")
    return None


def _word(value: Any) -> str:
    """The value if it is a code, else an empty string, so that free text is neither compared nor logged."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if ERROR_WORD.fullmatch(text) else ""
