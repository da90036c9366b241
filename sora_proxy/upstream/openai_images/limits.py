"""Limits: reads from answers which rate limits an account has reached, how long they last, and which models they apply
to.

Limits are in the headers of refusals and of answers with images. For a refusal, the details of Google's errors and the
texts of OpenAI's errors are read too.
"""

import re
from collections.abc import Mapping

from sora_proxy.errors import RateLimited
from sora_proxy.foreign.retry_after import MAX_WAIT_SECONDS, retry_after

NO_MORE, NEXT = "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"
DURATION = r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)(ms|s))?"  # such as 1m20.5s
RESET = re.compile(DURATION)
HINT = re.compile(f"try again in {DURATION}", re.IGNORECASE)
FAMILY = re.compile(r"\(for limit ([\w.-]{1,100})\)", re.ASCII)


def limit_refused(headers: Mapping[str, str], message: str, delay: str, model: str | None) -> RateLimited:
    """The limit that caused the refusal of an order, or of another call if `model` is None."""
    family = FAMILY.search(message)
    whole_family = model is not None and family is not None and model.startswith(family[1])
    models = f"{family[1]}*" if whole_family and family else model
    return RateLimited(
        "The account has reached its rate limit.", retry_after=_wait(headers, message, delay), family=models
    )


def limit_reached(headers: Mapping[str, str], model: str) -> RateLimited | None:
    """The limit that an order has reached according to the headers of its answer; None if it has reached none."""
    found = RESET.fullmatch(headers.get(NEXT, "").strip()) if headers.get(NO_MORE, "").strip() == "0" else None
    seconds = _seconds(found)
    return (
        RateLimited("The account has reached its rate limit.", retry_after=seconds, family=model) if seconds else None
    )


def _wait(headers: Mapping[str, str], message: str, delay: str) -> float | None:
    """The seconds to wait, from the first source that contains them: the headers, the details or the text."""
    try:
        milliseconds = float(headers.get("retry-after-ms", ""))
    except ValueError:
        milliseconds = -1.0
    if 0 <= milliseconds < MAX_WAIT_SECONDS * 1000:
        return milliseconds / 1000
    seconds = retry_after(headers)
    if seconds is not None:
        return seconds
    return _seconds(RESET.fullmatch(delay) if delay else HINT.search(message))


def _seconds(found: re.Match[str] | None) -> float | None:
    if found is None or not any(found.groups()):
        return None
    hours, minutes, rest, unit = found.groups()
    seconds = float(rest or 0) / (1000 if unit == "ms" else 1)
    return min(int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds, MAX_WAIT_SECONDS)
