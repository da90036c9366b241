"""Answering: counts every call of the protocol, and gives the normal answer or the one that an injected fault demands.

`errors_as_json` turns every error into the protocol's error object.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from sora_proxy.simulator import refusals
from sora_proxy.simulator.faults import Call
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.misbehaviour import Strike, misbehave
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.state import SIMULATOR
from sora_proxy.simulator.stopping import STOPPING

API_ENDPOINTS = frozenset({"submit", "list", "task", "upload", "parameters"})
ENDPOINTS = API_ENDPOINTS | {"media"}
SCHEME = "bearer "

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def token_of(request: web.Request) -> str | None:
    """Return the bearer token of a request, or None if the token is missing or empty."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith(SCHEME):
        return None
    return header[len(SCHEME) :].strip() or None


def account_token(request: web.Request) -> str:
    """Return the token, which identifies the account. Raises Refusal if the request has no token."""
    token = token_of(request)
    if token is None:
        raise refusals.unauthorized()
    return token


def base_of(request: web.Request) -> str:
    """Return the scheme, host and port at which the client reached this server."""
    return f"{request.scheme}://{request.host}"


async def answer(request: web.Request, call: Call, truth: Callable[[], web.Response]) -> web.StreamResponse:
    """Return the normal answer, unless a rule demands another one. `truth` performs the call and returns its normal
    answer."""
    faults = request.app[SIMULATOR].faults
    rule = faults.answer_rule(call)
    if rule is None:
        return truth()
    strike = Strike(request, call, rule, truth)
    strike.take_effect()
    faults.strike(rule)
    request.app[SIMULATOR].ledger.wake()
    return await misbehave(strike)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with the protocol's error object."""
    try:
        return await handler(request)
    except Refusal as refusal:
        request.app[SIMULATOR].ledger.refused(refusal.code)
        return json_response(refusal.payload(), refusal.status, refusal.headers)
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        request.app[SIMULATOR].ledger.refused(code)
        return json_response(Refusal(error.status, code, error.reason).payload(), error.status)


@web.middleware
async def count_and_delay(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count a call of the protocol when it arrives and when it is answered. Delay the answer if the options say so."""
    endpoint, simulator = request.match_info.route.name, request.app[SIMULATOR]
    if endpoint not in ENDPOINTS:
        return await handler(request)
    simulator.ledger.arrived(endpoint, token_of(request), simulator.engine.clocks.now())
    response = await handler(request)
    if endpoint in API_ENDPOINTS and simulator.options.answer_delay and not response.prepared:
        await request.app[STOPPING].pause(simulator.options.answer_delay)
    simulator.ledger.answered(endpoint, response.status)
    return response
