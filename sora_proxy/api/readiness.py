"""Finds the reasons, if any, why a new order would not be accepted now. The check calls no back end."""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

from sora_proxy.api.context import BACKENDS_IN_USE, BACKGROUND, MODELS, STORE, SUPERVISOR
from sora_proxy.api.http.context import MEDIA
from sora_proxy.errors import ModelsNotListed, NoUpstreamKey, QueueFull, StorageUnavailable
from sora_proxy.orders.backend import Backend

NOBODY = ""  # stands for a client that has no orders in line
# The codes of reasons, each with the code of the error object in an answer whose first reason it is. Reasons are
# reported in this sequence.
CODES = {
    "server_stopping": "overloaded",
    "no_backend": "no_upstream_key",
    "no_upstream_key": "no_upstream_key",
    "models_not_listed": "models_not_listed",
    "storage_unavailable": "storage_unavailable",
    "backend_unreachable": "upstream_unavailable",
    "queue_full": "rate_limit_exceeded",
    "daily_cap_reached": "insufficient_quota",
    "loop_crashing": "internal_error",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why no order is accepted. `code` is one of `CODES`; `since` is in seconds since 1970."""

    code: str
    message: str
    backend: str | None = None
    since: float | None = None


async def reasons_against(app: web.Application) -> list[Reason]:
    """The reasons why a new order would be refused or could not be carried out; an empty list if there are none."""
    reasons = list(_reasons(app))
    try:
        await app[STORE].check_writable()
        await app[MEDIA].check_writable()
    except StorageUnavailable as error:
        reasons.append(Reason("storage_unavailable", f"The server's storage is unavailable: {error}."))
    return sorted(reasons, key=lambda reason: list(CODES).index(reason.code))


def _reasons(app: web.Application) -> Iterator[Reason]:
    if app[SUPERVISOR].stopping:
        yield Reason("server_stopping", "The server is shutting down.")
    enabled = app[BACKENDS_IN_USE].enabled
    obstacles = [_obstacle(backend) for backend in enabled]
    if not enabled:
        yield Reason("no_backend", "No back end is in use. An operator has to add or enable one.")
    elif all(obstacles):
        yield from filter(None, obstacles)
    for loop in app[BACKGROUND].failing:
        yield Reason("loop_crashing", f"The background loop {loop} keeps crashing.")
    try:
        app[MODELS].check_listed()
    except ModelsNotListed as error:
        yield Reason("models_not_listed", str(error))
    except NoUpstreamKey:  # already reported as `no_backend`
        return


def _obstacle(backend: Backend) -> Reason | None:
    """The reason why a back end can't take a new order; None if it can."""
    name, outage = backend.name, backend.outage
    if backend.cap_reached(1):
        return Reason("daily_cap_reached", f"A daily cap leaves no room for orders at the back end {name}.", name)
    # A short outage is not reported, because orders wait while a server is restarting.
    if outage and time.time() - outage.at >= backend.keys.queue.max_refused_seconds:
        since = dt.datetime.fromtimestamp(outage.at, dt.UTC).isoformat(timespec="seconds")
        return Reason(
            "backend_unreachable", f"The back end {name} has been unreachable since {since}.", name, outage.at
        )
    try:
        backend.keys.admit(NOBODY)
    except NoUpstreamKey as error:
        return Reason("no_upstream_key", f"The back end {name} has no usable key. {error}", name)
    except QueueFull:
        message = f"Too many orders are waiting for the back end {name}, or a new order would wait too long."
        return Reason("queue_full", message, name)
    return None
