"""The routes that show the activity of the server: usage by key and day, the queue, and the unfinished generations."""

import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sora_proxy.api.admin.context import KEY_REGISTRY, SPENDING, USAGE
from sora_proxy.api.context import BACKENDS_IN_USE, SUPERVISOR
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import ACCESS, SETTINGS
from sora_proxy.api.http.paging import MAX_LIMIT_FOR_OPERATORS, PAGES, limit_of, page_of
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import Queue, UnfinishedGenerationList, UsageList
from sora_proxy.generation import Generation
from sora_proxy.orders.backend import Backend
from sora_proxy.orders.spending import Spending


@described(Description(query={"key": "return only the counters of this key"}, answer=UsageList))
async def usage(request: web.Request) -> web.Response:
    """List the counters of the last 30 days, by key and day; `key` selects one key."""
    key_id = request.query.get("key")
    if key_id is not None:
        request.app[KEY_REGISTRY].get(key_id)
    return json_response({"object": "list", "data": await request.app[USAGE].days(key_id)})


@described(Description(answer=Queue))
async def queue(request: web.Request) -> web.Response:
    """Retrieve the number of waiting orders of each client at each back end, and the expected wait for a new order.

    An order that several back ends can serve waits at each of them. `images_today` counts the images ordered on the
    current UTC day, at each back end and in total; `max_images_per_day` is the cap.
    """
    backends, names, spending = request.app[BACKENDS_IN_USE].all, request.app[ACCESS].names, request.app[SPENDING]
    queues = [_queue(backend, names) | _images_today(spending, backend.name) for backend in backends]
    first = queues[0] if queues else {"backend": None, "waiting": [], "expected_wait": None}
    return json_response(first | {"backends": queues, "in_all": _images_today(spending)})


def _queue(backend: Backend, names: Mapping[str, str]) -> dict[str, Any]:
    pool, line = backend.keys, backend.keys.queue
    waiting = [{"client": client, "name": names.get(client), "orders": n} for client, n in line.waiting.items()]
    at_once = not len(line) and any(key.ready_at() <= pool.now for key in pool.keys)
    seconds = 0.0 if at_once else line.expected_wait(None, len(line) + 1)
    wait = math.ceil(seconds) if math.isfinite(seconds) else None
    return {"backend": backend.name, "waiting": waiting, "expected_wait": wait}


def _images_today(spending: Spending, backend: str | None = None) -> dict[str, int | None]:
    """The images ordered today and the cap on them, at one back end or in total."""
    today, caps = spending.today, spending.caps
    if backend is None:
        return {"images_today": sum(today.values()), "max_images_per_day": caps.in_all}
    return {"images_today": today.get(backend, 0), "max_images_per_day": caps.of_backends.get(backend)}


@described(Description(query=PAGES, answer=UnfinishedGenerationList))
async def generations(request: web.Request) -> web.Response:
    """List the unfinished generations, oldest first."""
    limit, after = limit_of(request, maximum=MAX_LIMIT_FOR_OPERATORS), request.query.get("after")
    unfinished = request.app[SUPERVISOR].unfinished
    start = 0
    if after is not None:
        place = next((place for place, generation in enumerate(unfinished, 1) if generation.id == after), None)
        if place is None:
            raise ClientError("'after' must be the id of an unfinished generation.", param="after")
        start = place
    verbose = request.app[SETTINGS].current.verbose_logging
    return page_of([_view(generation, verbose=verbose) for generation in unfinished[start : start + limit + 1]], limit)


def _view(generation: Generation, *, verbose: bool) -> dict[str, Any]:
    view = {
        "id": generation.id,
        "status": generation.status,
        **generation.made_by,
        "key": generation.state.key_id,
        "client": generation.client,
        "model": generation.spec.model,
        "created_at": generation.created_at,
        "attempts": generation.state.attempts,
    }
    return view | {"prompt": generation.spec.prompt} if verbose else view
