"""Misbehaviour: answers the calls to which an injected fault applies."""

import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.simulator import pages, refusals
from sora_proxy.simulator.faults import Call, Rule
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.sending import cut, send_long, send_slowly, send_some
from sora_proxy.simulator.stopping import STOPPING

MEGABYTE = 2**20
SERVER_ERROR_CODES = {503: "heavy_load", 504: "gateway_timeout", 502: "bad_gateway"}


class Strike:
    """One call to which one rule applies. Making the normal answer carries out the call, so it is made at most once."""

    def __init__(self, request: web.Request, call: Call, rule: Rule, truth: Callable[[], web.Response]) -> None:
        """Store the parts of the strike."""
        self.request = request
        self.call = call
        self.rule = rule
        self._truth = truth
        self._answer: web.Response | None = None

    def __getitem__(self, parameter: str) -> Any:
        """Return a parameter of the rule."""
        return self.rule.parameters[parameter]

    def take_effect(self) -> None:
        """Register the order of a submit if the rule says that the order is registered despite the fault."""
        if self.call.endpoint == "submit" and self.rule.parameters.get("registered"):
            self.truth()

    def truth(self) -> web.Response:
        """Return the normal answer."""
        if self._answer is None:
            self._answer = self._truth()
        return self._answer

    def plausible(self) -> web.Response | None:
        """Return the normal answer, or None if making it would register an order although the rule forbids this."""
        unregistered = self.call.endpoint == "submit" and not self.rule.parameters.get("registered")
        return None if unregistered else self.truth()

    def body(self) -> bytes:
        """Return the body of the normal answer, or an invented body if `plausible` returns no answer."""
        answer = self.plausible()
        body = answer.body if answer is not None else b'{"id": "task_00000000000000000000000000", "priority": 1}'
        return body if isinstance(body, bytes) else b""


Effect = Callable[[Strike], Awaitable[web.StreamResponse]]


async def misbehave(strike: Strike) -> web.StreamResponse:
    """Answer a call to which a fault applies."""
    return await _EFFECTS[strike.rule.fault](strike)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


async def _unauthorized(strike: Strike) -> web.StreamResponse:
    raise refusals.unauthorized(strike["code"])


async def _forbidden(strike: Strike) -> web.StreamResponse:
    raise Refusal(strike["status"], strike["code"], "This request is not allowed.")


async def _challenge(strike: Strike) -> web.StreamResponse:
    return pages.challenge(strike["status"], strike["page"], marked=strike["header"])


async def _too_many_tasks(strike: Strike) -> web.StreamResponse:
    full, told_by = refusals.too_many_concurrent(strike["num_tasks"]), strike["told_by"]
    code = full.code if told_by == "code" else "too_many_requests"
    raise Refusal(full.status, code, full.message, details=None if told_by == "text" else full.details)


async def _quota(strike: Strike) -> web.StreamResponse:
    raise refusals.rate_limited(_retry_after(strike), strike["code"], strike["status"])


async def _rate_limited(strike: Strike) -> web.StreamResponse:
    raise refusals.rate_limited(_retry_after(strike), "too_many_requests")


def _retry_after(strike: Strike) -> str | None:
    seconds = strike["retry_after"]
    if seconds is None or not strike["as_date"]:
        return None if seconds is None else str(seconds)
    return formatdate(time.time() + seconds, usegmt=True)


async def _no_images(strike: Strike) -> web.StreamResponse:
    return _json(orjson.dumps(orjson.loads(strike.body()) | {"can_create_images": False}))


async def _server_error(strike: Strike) -> web.StreamResponse:
    status = strike["status"]
    if status >= 520:  # these statuses come from the edge server, which answers with its own page
        return pages.edge_error(status)
    raise Refusal(status, SERVER_ERROR_CODES.get(status, "internal_error"), "The service could not answer.")


async def _drop(strike: Strike) -> web.StreamResponse:
    if strike["after"] == "half":
        body = strike.body()
        return await send_some(strike.request, _json(body), body[: len(body) // 2], reset=strike["reset"])
    return cut(strike.request, reset=strike["reset"])


async def _hang(strike: Strike) -> web.StreamResponse:
    serving = await strike.request.app[STOPPING].pause(strike["seconds"])
    if not serving:
        return cut(strike.request, reset=False)
    answer = strike.plausible()
    if answer is None:
        raise Refusal(504, "gateway_timeout", "The service did not answer in time.")
    return answer


async def _slow_body(strike: Strike) -> web.StreamResponse:
    return await send_slowly(strike.request, strike.truth(), strike["bytes"], strike["seconds"])


async def _garbage(strike: Strike) -> web.StreamResponse:
    if strike["kind"] == "empty":
        return _json(b"")
    if strike["kind"] == "truncated":
        body = strike.body()
        return _json(body[: len(body) // 2])
    return _json(b"\x1f\x00this is not JSON<<<")


async def _encoded(strike: Strike) -> web.StreamResponse:
    """Declare a content encoding that the client did not request and that the body does not have."""
    answer = _json(strike.body())
    answer.headers["Content-Encoding"] = strike["encoding"]
    return answer


async def _html(_: Strike) -> web.StreamResponse:
    return pages.plain(200)


async def _shape(strike: Strike) -> web.StreamResponse:
    kind = strike["kind"]
    if kind in _FIXED_SHAPES:
        return _json(_FIXED_SHAPES[kind])
    answer = strike.plausible()
    payload = orjson.loads(strike.body()) if answer is not None else {"id": "task_x", "priority": 1}
    change = _without_ids if kind == "missing" else _as_texts
    return _json(orjson.dumps(change(payload)))


_FIXED_SHAPES: Mapping[str, bytes] = {
    "list": b"[]",
    "null": b"null",
    "string": b'"task"',
    "numbers": b'{"id": 12345, "status": 7, "task_responses": [{"id": 12345, "status": 7, "generations": 3}]}',
    "rows": b'{"id": {}, "task_responses": "none", "data": "none"}',
}


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(item) for key, item in value.items() if key != "id"}
    return [_without_ids(item) for item in value] if isinstance(value, list) else value


def _as_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    return value if isinstance(value, str) or value is None else str(value)


async def _oversize(strike: Strike) -> web.StreamResponse:
    first = b'{"padding": "'
    last = b'", ' + strike.body()[1:]
    parts = (first, b"x", last)
    return await send_long(
        strike.request, "application/json", parts, strike["megabytes"] * MEGABYTE, strike["declared"]
    )


async def _policy(strike: Strike) -> web.StreamResponse:
    raise refusals.invalid(strike["code"], "This prompt may violate our content policy.")


async def _account(strike: Strike) -> web.StreamResponse:
    raise Refusal(strike["status"], strike["code"], "Complete the set-up of your account first.")


async def _media_status(strike: Strike) -> web.StreamResponse:
    raise Refusal(strike["status"], "media_unavailable", "This file is not available.")


async def _media_cut(strike: Strike) -> web.StreamResponse:
    answer, body = strike.truth(), strike.body()
    return await send_some(strike.request, answer, body[: int(len(body) * strike["share"])], reset=strike["reset"])


async def _media_type(strike: Strike) -> web.StreamResponse:
    return web.Response(body=strike.body(), headers={"Content-Type": strike["content_type"]})


async def _media_html(strike: Strike) -> web.StreamResponse:
    return pages.plain(200, strike["content_type"])


async def _media_svg(strike: Strike) -> web.StreamResponse:
    return pages.svg(strike["content_type"])


async def _media_oversize(strike: Strike) -> web.StreamResponse:
    parts = (strike.body(), b"\0", b"")
    return await send_long(strike.request, "image/png", parts, strike["megabytes"] * MEGABYTE, strike["declared"])


async def _media_gzip_bomb(strike: Strike) -> web.StreamResponse:
    return pages.gzip_bomb(strike["megabytes"])


async def _media_pixel_bomb(strike: Strike) -> web.StreamResponse:
    return pages.pixel_bomb(strike["width"], strike["height"])


_EFFECTS: Mapping[str, Effect] = {
    "unauthorized": _unauthorized,
    "forbidden": _forbidden,
    "challenge": _challenge,
    "too_many_tasks": _too_many_tasks,
    "quota": _quota,
    "rate_limited": _rate_limited,
    "server_error": _server_error,
    "drop": _drop,
    "hang": _hang,
    "slow_body": _slow_body,
    "garbage": _garbage,
    "encoded": _encoded,
    "html": _html,
    "shape": _shape,
    "oversize": _oversize,
    "no_images": _no_images,
    "policy": _policy,
    "account": _account,
    "media_status": _media_status,
    "media_cut": _media_cut,
    "media_type": _media_type,
    "media_html": _media_html,
    "media_svg": _media_svg,
    "media_oversize": _media_oversize,
    "media_gzip_bomb": _media_gzip_bomb,
    "media_pixel_bomb": _media_pixel_bomb,
}
