"""Makes JSON answers, and gives all errors the same shape."""

from typing import Any

import orjson
from aiohttp import web

from sora_proxy.api.http.error_codes import meaning_of
from sora_proxy.api.http.refusals import ClientError, refusal_of
from sora_proxy.errors import Stopping
from sora_proxy.event_log import Failed


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def error_object(message: str, *, code: str, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object. All four keys are always present."""
    return {"error": {"message": message, "type": meaning_of(code).type, "param": param, "code": code}}


def error_response(error: Exception) -> web.Response:
    """The answer to a request that was refused or could not be served."""
    refusal = refusal_of(error)
    meaning = meaning_of(refusal.code)
    headers = meaning.headers
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    response = json_response(_body(refusal), status=meaning.status, headers=headers)
    if isinstance(error, Stopping):
        response.force_close()  # the next request of this client should reach another process
    return response


def error_body(error: Exception) -> dict[str, Any]:
    """Only the error object, for an answer that contains the outcomes of several actions."""
    return _body(refusal_of(error))


def failure_response(failed: Failed) -> web.Response:
    """The answer to a request that waited for a generation which then failed.

    Its headers prevent SDKs from retrying, since a retry would create, and charge for, a second order.
    """
    meaning = meaning_of(failed.code)
    return json_response(error_object(failed.message, code=failed.code), status=meaning.status, headers=meaning.headers)


def _body(refusal: ClientError) -> dict[str, Any]:
    return error_object(str(refusal), code=refusal.code, param=refusal.param)
