"""The header `Retry-After` of whoever wants us to wait."""

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_WAIT_SECONDS = 86_400.0  # seconds; whoever tells more than a day has other units or no clock


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, given as such or by a date, which counts by the clock of who sent it."""
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
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()  # the oldest form of a date names no zone
    except (TypeError, OverflowError):  # what old Pythons raise, and years that no clock knows
        raise ValueError("is not a date") from None
