"""Sora answers: reads tasks, results and faults from the answers of a server with Sora's web protocol. No I/O.

Only the status and the structure of an answer are used. The texts in answers are for people, and may repeat any word of
a failed prompt. There is one exception: the text of a 429 without a specific code is searched for words that point to a
limit on concurrent tasks.
"""

import itertools
import math
import re
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    RateLimited,
    RequestFault,
    TooManyTasks,
    UpstreamUnavailable,
)
from sora_proxy.foreign.addresses import plain_address
from sora_proxy.foreign.bounded_json import as_object, objects_in, read_json
from sora_proxy.foreign.retry_after import retry_after
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream import Snapshot, TaskState
from sora_proxy.upstream.http_call import Answer

SUCCEEDED, FAILED = ("succeeded",), ("failed", "error", "cancelled", "rejected")
MAX_RESULTS = 10  # images of one task; an order requests 4 at most
MAX_ANSWER_VALUES = 100_000  # JSON values; a page of 100 tasks has a few thousand
MAX_ROWS = 1000  # tasks in a list; calls request 100 at most
ID = re.compile(r"[\w.:~/+=@-]{1,200}", re.ASCII)  # ids are logged and shown, so they must not contain markup
MAX_NUMBER = 2**53  # no count or time is larger, and a much larger number would not fit a database column
NEEDS_A_HUMAN = {"phone_number_required", "onboarding_required"}
REFUSALS = {"content_policy_violation", "moderation_blocked", "policy_violation"}
EXHAUSTED = {"rate_limit_exhausted", "insufficient_quota", "quota_exceeded", "billing_hard_limit_reached"}
COUNTRY = {"unsupported_country_code", "unsupported_country_region_territory"}
TASKS_AT_ONCE = re.compile(r"\bconcurrent\b|\btasks? (already )?in progress\b", re.IGNORECASE)


def fault_of(answer: Answer, egress: Proxy | None) -> Fault:
    """The fault for an answer that refuses a call. `egress` is the egress of the call."""
    if answer.is_challenge:
        return EgressFault("The back end asks for a browser check.", egress=egress)
    error = _error(answer)
    match answer.status:
        case 407:
            return EgressFault(
                "The proxy refuses the connection to the back end.", egress=egress, code="upstream_proxy"
            )
        case 451:
            return _country(egress)
        case 403 if error.code in COUNTRY:
            return _country(egress)
        case 402 | 429:
            return _too_many(answer, error)
        case 400 | 403 if error.code in EXHAUSTED:
            return _too_many(answer, error)
        case 401:
            return KeyRejected(f"The back end does not accept this key ({error.code or 'unauthorized'}).")
        # Without a code, a 400 or 422 may come from a server between this one and the back end.
        case 400 | 403 | 422 if error.code in REFUSALS or (error.code and answer.status != 403):
            return RequestFault(
                "The order violates the back end's content policy. Change the prompt or a reference image."
            )
        case 403:
            reason = "has to be unlocked by a person" if error.code in NEEDS_A_HUMAN else "is not allowed to do this"
            return KeyRejected(f"The account {reason} ({error.code or 'forbidden'}).")
        case _:
            return UpstreamUnavailable(f"The back end answered with status {answer.status}.")


def _country(egress: Proxy | None) -> Fault:
    return EgressFault("The back end does not serve the country of the egress.", egress=egress, code="upstream_country")


def _too_many(answer: Answer, error: "_Error") -> Fault:
    limit = _count(error.details.get("num_tasks"))
    by_text = error.code not in EXHAUSTED and answer.status == 429 and TASKS_AT_ONCE.search(error.message)
    if error.code == "too_many_concurrent_tasks" or limit is not None or by_text:
        return TooManyTasks("The account has reached its limit of concurrent tasks.", limit=limit)
    return RateLimited("The account has reached its rate limit or its quota.", retry_after=retry_after(answer.headers))


@dataclass(frozen=True, slots=True)
class _Error:
    """The error object of an answer; empty if there is none."""

    code: str = ""
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def _error(answer: Answer) -> _Error:
    try:
        error = read_json(answer.body, MAX_ANSWER_VALUES).get("error")
        code, message, details = error.get("code"), error.get("message"), error.get("details")
    except (ValueError, AttributeError):
        return _Error()
    # Codes are words of the protocol. Anything else could be text that must not reach logs or clients.
    is_word = isinstance(code, str) and len(code) <= 60 and code.replace("_", "").isalnum() and code.isascii()
    return _Error(
        code if is_word else "",
        message if isinstance(message, str) else "",
        as_object(details),
    )


def id_of(row: Any) -> str | None:
    """The id of an object in an answer; None if the id is missing or implausible."""
    value = row.get("id") if isinstance(row, dict) else None
    return value if isinstance(value, str) and ID.fullmatch(value) else None


def object_of(answer: Answer) -> dict[str, Any]:
    try:
        body = read_json(answer.body, MAX_ANSWER_VALUES)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UpstreamUnavailable("The back end's answer could not be read.")
    return body


def _number(value: Any) -> float | None:
    """The value as a number; None if it is not a plausible number. Some servers send numbers as strings."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= MAX_NUMBER else None


def _count(value: Any) -> int | None:
    """The value as an integer, rounded up; None if it is not a positive number."""
    number = _number(value)
    return math.ceil(number) if number and number > 0 else None


def _state(task: dict[str, Any]) -> TaskState:
    status = task.get("status")
    if status in SUCCEEDED:
        return TaskState.succeeded
    refused = as_object(task.get("moderation_result")).get("type") == "failed"
    if status in FAILED:
        return TaskState.refused if refused or status == "rejected" else TaskState.failed
    return TaskState.running


def _assets(task: dict[str, Any]) -> tuple[Asset, ...]:
    assets = (
        Asset(url, _count(row.get("width")), _count(row.get("height")), id_of(row))
        for row in objects_in(task.get("generations"))
        if (url := _asset_url(row))
    )
    return tuple(itertools.islice(assets, MAX_RESULTS))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _asset_url(row: dict[str, Any]) -> str | None:
    url = row.get("url")
    if not url and isinstance(encodings := row.get("encodings"), dict):
        source = encodings.get("source")
        url = source.get("path") if isinstance(source, dict) else source
    return plain_address(url) if isinstance(url, str) else None


class TaskReader:
    """Reads tasks, and learns from them whether their server counts progress up to 1 or up to 100."""

    def __init__(self) -> None:
        self._progress_is_percent = False

    def page(self, body: dict[str, Any]) -> tuple[list[Snapshot], str | None]:
        """A page of a list of tasks, and the `before` of the next page, if there is one. Raises UpstreamUnavailable."""
        rows = body.get("task_responses")
        if rows is None and isinstance(body.get("data"), list):  # some servers wrap the rows in `data`
            rows = [row.get("payload") for row in body["data"] if isinstance(row, dict)]
        if not isinstance(rows, list):
            raise UpstreamUnavailable("The back end's list of tasks could not be read.")
        last = id_of({"id": body.get("last_id")})
        return [self.read(row) for row in rows[:MAX_ROWS] if id_of(row)], last if body.get("has_more") else None

    def read(self, task: dict[str, Any]) -> Snapshot:
        state = _state(task)
        return Snapshot(
            task_id=task["id"],
            state=state,
            progress=self._progress(task.get("progress_pct")) if state is TaskState.running else None,
            position=_count(task.get("progress_pos_in_queue")),
            seconds=_count(task.get("estimated_queue_wait_time")),
            assets=_assets(task) if state is TaskState.succeeded else (),
            prompt=_text(task.get("prompt")),
            n=_count(task.get("n_variants")),
        )

    def _progress(self, value: Any) -> float | None:
        """Progress as 0..1. Servers count progress up to 1 or up to 100; the first value above 1 shows which of the two
        is meant. The value is null early in a task."""
        number = _number(value)
        if number is None or number < 0:
            return None
        if number == 1 and not self._progress_is_percent:
            return None  # the value 1 may mean 100 percent or 1 percent
        self._progress_is_percent |= number > 1
        return min(number / 100 if self._progress_is_percent else number, 1.0)
