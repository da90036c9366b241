"""Control: the routes with which tests control any simulator. They inject faults, and show or await counts of calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web

from sora_proxy.simulator import refusals
from sora_proxy.simulator.faults import FaultBook
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.stopping import STOPPING

MAX_WAIT_SECONDS = 600.0


class Witness(Protocol):
    """What the control routes need from a simulator's record of calls."""

    registered: int

    def seen(self, endpoint: str, token: str | None = None) -> int:
        """Count the requests to an endpoint, with one token or with any."""

    async def wait_for(self, met: Callable[[], bool], timeout: float) -> None:
        """Wait until `met` returns true, for at most `timeout` seconds."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The objects that the routes use; `stats` is called with the query of a request."""

    endpoints: frozenset[str]
    faults: FaultBook
    ledger: Witness
    stats: Callable[[Mapping[str, str]], dict[str, Any]]
    reset: Callable[[], None]


CONTROLS: web.AppKey[Controls] = web.AppKey("controls", Controls)


def add_routes(app: web.Application) -> None:
    """Add the control routes, which are not counted in the stats."""
    app.add_routes(
        [
            web.get("/stats", stats),
            web.get("/simulator/stats", stats),
            web.get("/simulator/wait", wait),
            web.post("/simulator/reset", reset),
            web.get("/simulator/faults", list_faults),
            web.post("/simulator/faults", add_faults),
            web.delete("/simulator/faults", clear_faults),
            web.delete("/simulator/faults/{id}", remove_fault),
        ]
    )


async def stats(request: web.Request) -> web.Response:
    """Show the counts since startup or the last reset."""
    return json_response(request.app[CONTROLS].stats(request.query))


async def wait(request: web.Request) -> web.Response:
    """Answer as soon as the counts reach those in the query. After `timeout` seconds, answer with status 504."""
    controls, query = request.app[CONTROLS], request.query
    unknown = set(query) - {"endpoint", "token", "count", "registered", "struck", "timeout"}
    if unknown:
        raise refusals.invalid("invalid_wait", f"Unknown field {min(unknown)!r}.")
    endpoint, token = query.get("endpoint"), query.get("token")
    if endpoint is not None and endpoint not in controls.endpoints:
        raise refusals.invalid("invalid_wait", f"endpoint must be one of: {', '.join(sorted(controls.endpoints))}.")
    count = _number(query.get("count", "1")) if endpoint else 0
    registered, struck = _number(query.get("registered", "0")), _number(query.get("struck", "0"))

    def facts() -> dict[str, int]:
        seen = controls.ledger.seen(endpoint, token) if endpoint else 0
        strikes = sum(controls.faults.struck.values())
        return {"count": seen, "registered": controls.ledger.registered, "struck": strikes}

    def met() -> bool:
        now = facts()
        return now["count"] >= count and now["registered"] >= registered and now["struck"] >= struck

    timeout = min(_number(query.get("timeout", "5")), MAX_WAIT_SECONDS)
    stopping = request.app[STOPPING]
    await controls.ledger.wait_for(lambda: met() or stopping.begun, timeout)
    is_met = met()
    return json_response({"met": is_met, **facts()}, 200 if is_met else 504)


async def reset(request: web.Request) -> web.Response:
    """Forget all tasks, rules and counts."""
    request.app[CONTROLS].reset()
    return json_response({"reset": True})


async def list_faults(request: web.Request) -> web.Response:
    """Show the rules in force."""
    return json_response({"faults": [rule.described() for rule in request.app[CONTROLS].faults.rules()]})


async def add_faults(request: web.Request) -> web.Response:
    """Put one rule, or each rule of a list, in force. If one rule is invalid, no rule is put in force."""
    faults = request.app[CONTROLS].faults
    try:
        orders = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise refusals.invalid("invalid_fault", "The body is not JSON.") from error
    added = faults.add_all(orders if isinstance(orders, list) else [orders])
    return json_response({"faults": [rule.described() for rule in added]}, 201)


async def clear_faults(request: web.Request) -> web.Response:
    """Drop all rules, but keep the counts."""
    request.app[CONTROLS].faults.clear()
    return json_response({"faults": []})


async def remove_fault(request: web.Request) -> web.Response:
    """Drop one rule."""
    rule_id = request.match_info["id"]
    if not request.app[CONTROLS].faults.remove(rule_id):
        raise Refusal(404, "fault_not_found", "No rule with this id is in force.")
    return json_response({"removed": rule_id})


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise refusals.invalid("invalid_wait", f"{text!r} is not a number.") from error
    if not 0 <= number < float("inf"):
        raise refusals.invalid("invalid_wait", "A number must be zero or more.")
    return number
