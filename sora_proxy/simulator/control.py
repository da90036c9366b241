"""The routes by which tests order faults, see what happened, and wait for it."""

from typing import Any

import orjson
from aiohttp import web

from sora_proxy.simulator import refusals
from sora_proxy.simulator.answering import ENDPOINTS, json_response
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.state import SIMULATOR, Simulator

MAX_WAIT_SECONDS = 600.0  # seconds


def add_routes(app: web.Application) -> None:
    """Add the control routes; none of them is counted in the stats."""
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
    """Show what happened since the start or the last reset; `?tasks=0` leaves out the list of tasks."""
    return json_response(_stats(request.app[SIMULATOR], with_tasks=request.query.get("tasks") != "0"))


def _stats(simulator: Simulator, *, with_tasks: bool) -> dict[str, Any]:
    ledger, peaks = simulator.ledger, simulator.engine.peaks
    return {
        "ordering": ledger.requests,
        "answers": ledger.answers,
        "refusals": ledger.refusals,
        "registered": ledger.registered,
        "tasks": [_task(task, at) for task, at in ledger.tasks] if with_tasks else [],
        "unfinished": simulator.engine.unfinished(),
        "max_concurrent": peaks.overall,
        "max_concurrent_by_token": peaks.by_token,
        "uploads": list(ledger.uploads),
        "lists": {token: lists.described() for token, lists in ledger.lists.items()},
        "faults_struck": simulator.faults.struck,
    }


def _task(task: Any, at: float) -> dict[str, Any]:
    order = task.order
    return {
        "id": task.id,
        "token": task.token,
        "prompt": order.prompt,
        "at": at,
        "n_variants": order.n_variants,
        "width": order.width,
        "height": order.height,
        "upload_id": order.upload_id,
    }


async def wait(request: web.Request) -> web.Response:
    """Answer as soon as every fact that the query names is so, or with 504 when the timeout (seconds) is over."""
    simulator, query = request.app[SIMULATOR], request.query
    unknown = set(query) - {"endpoint", "token", "count", "registered", "struck", "timeout"}
    if unknown:
        raise refusals.invalid("invalid_wait", f"Unknown field {min(unknown)!r}.")
    endpoint, token = query.get("endpoint"), query.get("token")
    if endpoint is not None and endpoint not in ENDPOINTS:
        raise refusals.invalid("invalid_wait", f"endpoint must be one of: {', '.join(sorted(ENDPOINTS))}.")
    count = _number(query.get("count", "1")) if endpoint else 0
    registered, struck = _number(query.get("registered", "0")), _number(query.get("struck", "0"))

    def facts() -> dict[str, int]:
        seen = simulator.ledger.seen(endpoint, token) if endpoint else 0
        strikes = sum(simulator.faults.struck.values())
        return {"count": seen, "registered": simulator.ledger.registered, "struck": strikes}

    def met() -> bool:
        now = facts()
        return now["count"] >= count and now["registered"] >= registered and now["struck"] >= struck

    timeout = min(_number(query.get("timeout", "5")), MAX_WAIT_SECONDS)
    await simulator.ledger.wait_for(lambda: met() or simulator.stopping.begun, timeout)
    is_met = met()
    return json_response({"met": is_met, **facts()}, 200 if is_met else 504)


async def reset(request: web.Request) -> web.Response:
    """Forget tasks, uploads, faults and counts."""
    simulator = request.app[SIMULATOR]
    simulator.engine.reset()
    simulator.faults.reset()
    simulator.artist.forget()
    simulator.ledger.reset()
    return json_response({"reset": True})


async def list_faults(request: web.Request) -> web.Response:
    """Show the rules in force."""
    return json_response({"faults": [rule.described() for rule in request.app[SIMULATOR].faults.rules()]})


async def add_faults(request: web.Request) -> web.Response:
    """Put one rule in force, or each of a list, or none if one of them is not understood."""
    faults = request.app[SIMULATOR].faults
    try:
        orders = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise refusals.invalid("invalid_fault", "The body is not JSON.") from error
    added = faults.add_all(orders if isinstance(orders, list) else [orders])
    return json_response({"faults": [rule.described() for rule in added]}, 201)


async def clear_faults(request: web.Request) -> web.Response:
    """Drop every rule; the counts stay."""
    request.app[SIMULATOR].faults.clear()
    return json_response({"faults": []})


async def remove_fault(request: web.Request) -> web.Response:
    """Drop one rule."""
    rule_id = request.match_info["id"]
    if not request.app[SIMULATOR].faults.remove(rule_id):
        raise Refusal(404, "fault_not_found", "No such rule is in force.")
    return json_response({"removed": rule_id})


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise refusals.invalid("invalid_wait", f"{text!r} is no number.") from error
    if not 0 <= number < float("inf"):
        raise refusals.invalid("invalid_wait", "A number must be zero or more.")
    return number
