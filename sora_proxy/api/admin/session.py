"""`POST /admin/api/login` and `logout`: exchange the admin key for a token valid for an hour, and end all sessions."""

import structlog
from aiohttp import web

from sora_proxy.api.admin.bodies import Body, read_body
from sora_proxy.api.admin.context import AUDIT, LOGIN_LIMIT
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import OPERATOR, SESSIONS
from sora_proxy.api.http.credentials import is_admin_key
from sora_proxy.api.http.forwarding import client_address
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import Session, SessionsEnded
from sora_proxy.operators.audit import Actor
from sora_proxy.operators.sessions import SESSION_SECONDS

log = structlog.get_logger(__name__)


MAX_LOGIN_BYTES = 4096


class Login(Body):
    key: str


@described(Description(body=Login, example={"key": "$ADMIN_KEY"}, answer=Session))
async def login(request: web.Request) -> web.Response:
    """Start a session. After too many wrong keys, clients at the same address have to wait."""
    # This route is open to all, so only a small body is read.
    given = await read_body(request.clone(client_max_size=MAX_LOGIN_BYTES), Login.model_validate)
    limit, address = request.app[LOGIN_LIMIT], client_address(request)
    # From here on, nothing is awaited until the key has been checked, so that all simultaneous attempts are counted.
    if seconds := limit.wait(address):
        message = "Too many logins failed. Try again later."
        raise ClientError(message, code="rate_limit_exceeded", retry_after=seconds)
    if not is_admin_key(request, given.key):
        limit.failed(address)
        log.warning("admin login failed", address=address)
        raise ClientError("Incorrect admin key.", code="invalid_api_key", param="key")
    limit.succeeded(address)
    token = request.app[SESSIONS].begin()
    await request.app[AUDIT].note(Actor("admin key", address), "session.begin", "")
    return json_response({"token": token, "token_type": "Bearer", "expires_in": SESSION_SECONDS})


@described(Description(answer=SessionsEnded))
async def logout(request: web.Request) -> web.Response:
    """End all sessions."""
    request.app[SESSIONS].end_all()
    await request.app[AUDIT].note(request[OPERATOR], "session.end_all", "")
    return json_response({"ended": True})
