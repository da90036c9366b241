"""Refusals: the error answers of the service."""

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """A call that is answered with an error object."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store the HTTP status, the error object and the extra headers of the answer."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def payload(self) -> dict[str, Any]:
        """Return the error object as the service formats it."""
        error = {"code": self.code, "message": self.message, "type": _type(self.status), "details": self.details}
        return {"error": error}


def _type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def invalid(code: str, message: str) -> Refusal:
    """Make the refusal of an invalid order."""
    return Refusal(400, code, message)


def unauthorized(code: str = "token_invalidated") -> Refusal:
    """Make the refusal of a token that is missing or no longer valid."""
    return Refusal(401, code, "Your authentication token is missing or no longer valid.")


def too_many_concurrent(num_tasks: int) -> Refusal:
    """Make the refusal of a task for an account that already has `num_tasks` unfinished tasks, its maximum."""
    message = f"You already have {num_tasks} tasks in progress. Wait until one of them is finished."
    return Refusal(429, "too_many_concurrent_tasks", message, details={"num_tasks": num_tasks})


def rate_limited(retry_after: int | str | None, code: str = "rate_limit_exhausted", status: int = 429) -> Refusal:
    """Make the refusal of a request that exceeds a rate limit. `retry_after` is the value of the header, in seconds or
    as a date; None: no header."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Refusal(status, code, "You have reached the limit of requests. Try again later.", headers=headers)
