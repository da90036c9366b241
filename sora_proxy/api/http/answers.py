"""Answers: JSON by orjson, and the one shape in which every error leaves."""

from typing import Any

import orjson
from aiohttp import web

from sora_proxy.errors import (
    ClientError,
    KeysRefused,
    NoUpstreamKey,
    QueueFull,
    SoraProxyError,
    Stopping,
    StorageUnavailable,
)
from sora_proxy.generation import Failed, Generation, Status

TYPES = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_error"}
# How a failed generation is told where a status can still be chosen. What is not listed is our back end's fault: 502.
FAILURE_STATUS = {
    "cancelled": 400,
    "content_policy_violation": 400,
    "internal_error": 500,
    "no_upstream_key": 503,
    "queue_timeout": 503,
    "generation_timeout": 504,
}


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def error_object(message: str, *, status: int, code: str | None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object. All four keys are always there."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: SoraProxyError) -> web.Response:
    """The answer to a request that we refused or could not serve."""
    refusal = _refusal(error)
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.should_retry is not None:
        headers["x-should-retry"] = "true" if refusal.should_retry else "false"
    response = json_response(error_body(error), status=refusal.status, headers=headers)
    if isinstance(error, Stopping):
        response.force_close()  # the next request of this client should reach another process
    return response


def error_body(error: SoraProxyError) -> dict[str, Any]:
    """The error object alone, for what is one of several in an answer."""
    refusal = _refusal(error)
    return error_object(str(refusal), status=refusal.status, code=refusal.code, param=refusal.param)


def failure_status(failed: Failed) -> int:
    """The status that a failed generation is told with, or would be if it could still be chosen."""
    return FAILURE_STATUS.get(failed.code, 502)


def failure_response(failed: Failed) -> web.Response:
    """The answer to a request that waited for a generation which then failed.

    SDKs are told not to retry: they would order, and pay, again.
    """
    status = failure_status(failed)
    body = error_object(failed.message, status=status, code=failed.code)
    return json_response(body, status=status, headers={"x-should-retry": "false"})


def why_no_pictures(generation: Generation, name: str) -> Failed | None:
    """Why one who has waited for pictures gets none, if so. `name` is the id that the client knows the order by."""
    if generation.failure or generation.status is Status.completed:
        return generation.failure
    message = f"The order goes on, but this answer can't wait for it: ask for {name} later."
    return Failed("generation_timeout", message)


def _refusal(error: SoraProxyError) -> ClientError:
    """Our own troubles, in the words of HTTP. Nothing was sent upstream for any of them but the last."""
    match error:
        case ClientError():
            return error
        case KeysRefused():
            return ClientError(str(error), status=409, code="simulator_in_use", should_retry=False)
        case QueueFull():
            return ClientError(str(error), status=429, code="rate_limit_exceeded", retry_after=error.retry_after)
        case NoUpstreamKey():
            return ClientError(str(error), status=503, code="no_upstream_key", should_retry=False)
        case Stopping():
            return ClientError(str(error), status=503, code="overloaded", retry_after=5)
        case StorageUnavailable():
            message = "the server's storage is unavailable"
            return ClientError(message, status=503, code="storage_unavailable", retry_after=10)
        case _:
            return ClientError("the server made a mistake", status=500, code="internal_error", should_retry=False)
