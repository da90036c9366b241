"""Reads the header `Retry-After` of answers from other servers."""

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_WAIT_SECONDS = 86_400.0  # a longer wait must be in other units or come from a wrong clock


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds; None if the header can't be read. The header contains a number of seconds, or a date. A date
    is compared with the sender's clock, which the header `Date` shows."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value[:1].isdigit() else _moment(value) - _now_of(headers)
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def _now_of(headers: Mapping[str, str]) -> float:
    try:
        return _moment(headers.get("date", ""))
    except ValueError:
        return time.time()


def _moment(date: str) -> float:
    """Seconds since 1970. Raises ValueError."""
    try:
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()  # the oldest form of a date has no time zone
    except (TypeError, OverflowError):  # raised by older versions of Python, and for years out of range
        raise ValueError("is not a date") from None
