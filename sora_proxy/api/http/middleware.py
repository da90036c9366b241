"""The middleware of all requests: it gives each request an id and a line in the log, checks access, and gives all
errors the same shape."""

import re
import secrets
import time

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sora_proxy.api.http.answers import error_response
from sora_proxy.api.http.context import BEGUN, CLIENT, INSTANCE, OPERATOR, ORDER_HEADERS, REQUEST_ID, STARTED, VIA
from sora_proxy.api.http.cors import Handler, add_cors_headers
from sora_proxy.api.http.credentials import client_of, operator_of
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.errors import SoraProxyError, clear_frames
from sora_proxy.foreign.instance import INSTANCE_HEADER, MAX_HOPS, marks_in

log = structlog.get_logger(__name__)

OPEN_HANDLERS: web.AppKey[frozenset[object]] = web.AppKey("open_handlers", frozenset)
OPERATOR_HANDLERS: web.AppKey[frozenset[object]] = web.AppKey("operator_handlers", frozenset)
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@web.middleware
async def request_context(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, which is in every log line and in the answer, and log the end of the request."""
    given = request.headers.get("x-request-id", "")
    request_id = given if SAFE_REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
    request[REQUEST_ID], request[STARTED] = request_id, time.monotonic()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        status: int | None = None
        try:
            response = await handler(request)
            status = response.status
        finally:
            # The status is None if the client has disconnected. The query is not logged: it may contain anything.
            seconds = round(time.monotonic() - request[STARTED], 3)
            facts = {"method": request.method, "path": request.path[:200], "status": status, "seconds": seconds}
            if request.path.startswith("/health"):
                log.debug("request ended", **facts)
            else:
                log.info("request ended", **facts)
    return response


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in the shape of OpenAI's API."""
    try:
        return await handler(request)
    except SoraProxyError as error:
        clear_frames(error)
        return error_response(error)
    except web.HTTPException as error:
        response = error_response(_http_error(error, request))
        response.set_status(error.status)  # aiohttp also raises statuses for which there is no error code
        if "allow" in error.headers:
            response.headers["allow"] = error.headers["allow"]
        return response
    except (web.RequestPayloadError, HttpProcessingError):
        return error_response(ClientError("The request body can't be read.", code="invalid_body"))
    except ConnectionError:
        raise  # the client has disconnected
    except Exception as error:
        log.exception("request crashed")
        if BEGUN in request:
            raise ConnectionResetError("an answer that has begun can only be cut") from None
        return error_response(error)


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the request's credentials. A route needs a client key, unless it is open or for operators."""
    route = request.match_info
    if route.handler in request.app[OPERATOR_HANDLERS]:
        request[OPERATOR] = operator_of(request)
    elif route.handler not in request.app[OPEN_HANDLERS] and route.http_exception is None:
        via = request[VIA] = marks_in(request.headers.get(INSTANCE_HEADER))
        if request.app[INSTANCE] in via or len(via) >= MAX_HOPS:
            message = "The request came back to this server. A back end must not have this server's own address."
            raise ClientError(message, code="loop_detected")
        request[CLIENT] = client_of(request)
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of every answer, streams and errors included."""
    request[BEGUN] = True
    response.headers["x-request-id"] = request.get(REQUEST_ID, "")
    started = request.get(STARTED)
    if started is not None:
        response.headers["openai-processing-ms"] = str(round((time.monotonic() - started) * 1000))
    if (order_headers := request.get(ORDER_HEADERS)) is not None:
        response.headers.update(order_headers())
    if request.path.startswith("/admin/"):
        response.headers["cache-control"] = "no-store"
    add_cors_headers(request, response)


def _http_error(error: web.HTTPException, request: web.Request) -> ClientError:
    path = request.path[:100]
    match error:
        case web.HTTPNotFound():
            return ClientError(f"Unknown path {path}. See /docs for all paths.", code="not_found")
        case web.HTTPMethodNotAllowed():
            return ClientError(f"The method {request.method} is not allowed on {path}.", code="method_not_allowed")
        case web.HTTPRequestEntityTooLarge():
            return ClientError("The request is too large.", code="request_too_large")
    return ClientError(error.reason or "Invalid request.", code="invalid_request")
