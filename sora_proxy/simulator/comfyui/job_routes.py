"""Job routes: the routes below `/api/jobs`, which show and cancel jobs."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sora_proxy.simulator.comfyui.checking import Unreadable
from sora_proxy.simulator.comfyui.jobs import Entry, Job
from sora_proxy.simulator.comfyui.queue_routes import is_canonical, send_status
from sora_proxy.simulator.comfyui.state import COMFYUI, ComfyUI
from sora_proxy.simulator.comfyui.versions import Change, Version

SORTS = ("created_at", "execution_duration")
ORDERS = ("desc", "asc")


class BadQuery(Exception):
    """A request for the list of jobs that is answered with status 400."""


async def one(request: web.Request) -> web.Response:
    """Show one job. If several jobs have this id and one of them has ended, the ended one is shown."""
    simulator, prompt_id = request.app[COMFYUI], request.match_info["prompt_id"]
    entry = simulator.jobs.history.get(prompt_id)
    if entry is not None:
        return web.json_response(_detailed(entry, simulator.version))
    found = [row for job, row in _unfinished(simulator) if job.prompt_id == prompt_id]
    if not found:
        return web.json_response({"error": "Job not found"}, status=404)
    return web.json_response(found[0])


async def many(request: web.Request) -> web.Response:
    """List jobs."""
    simulator, query = request.app[COMFYUI], request.query
    try:
        states = _states(query.get("status"), simulator.version)
        limit = _number(query.get("limit"), "limit must be a positive integer", least=1)
        offset = _number(query.get("offset"), "offset must be a non-negative integer", least=0) or 0
        key, order = _choice(query, "sort_by", SORTS), _choice(query, "sort_order", ORDERS)
    except BadQuery as error:
        return web.json_response({"error": str(error)}, status=400)
    rows = [row for _, row in _unfinished(simulator)]
    rows += [_row(entry, simulator.version) for entry in simulator.jobs.history.values()]
    rows = [row for row in rows if row["status"] in states]
    rows.sort(key=_created if key == "created_at" else _duration, reverse=order == "desc")
    end = len(rows) if limit is None else offset + limit
    pagination = {"offset": offset, "limit": limit, "total": len(rows), "has_more": end < len(rows)}
    return web.json_response({"jobs": rows[offset:end], "pagination": pagination})


async def cancel(request: web.Request) -> web.Response:
    """Cancel one job, and report whether a job was cancelled."""
    prompt_id = request.match_info["prompt_id"]
    return web.json_response({"cancelled": await _cancel(request.app[COMFYUI], prompt_id)})


async def cancel_many(request: web.Request) -> web.Response:
    """Cancel several jobs, and report whether any job was cancelled."""
    try:
        ids = json.loads(await request.read())["job_ids"]
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable from error
    invalid = [each for each in ids if not is_canonical(each)]
    if invalid:
        return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, status=400)
    hits = [await _cancel(request.app[COMFYUI], prompt_id) for prompt_id in ids]
    return web.json_response({"cancelled": any(hits)})


async def _cancel(simulator: ComfyUI, prompt_id: str) -> bool:
    simulator.ledger.note("cancels", prompt_id)
    if simulator.jobs.interrupt(prompt_id):
        return True
    deleted = simulator.jobs.delete(prompt_id)
    if deleted:
        await send_status(simulator)
    return deleted


def _unfinished(simulator: ComfyUI) -> list[tuple[Job, dict[str, Any]]]:
    jobs = [(job, "pending") for job in simulator.jobs.waiting]
    if simulator.jobs.running is not None:
        jobs.append((simulator.jobs.running, "in_progress"))
    return [(job, {**_head(job, state), **_counts(0, simulator.version)}) for job, state in jobs]


def _head(job: Job, state: str) -> dict[str, Any]:
    created = job.extra_data.get("create_time")
    return {"id": job.prompt_id, "status": state, "priority": job.number, "create_time": created}


def _counts(count: int, version: Version) -> dict[str, Any]:
    more = {"previewable_outputs_count": count} if version.has(Change.recent) else {}
    return {"outputs_count": count, **more}


def _row(entry: Entry, version: Version) -> dict[str, Any]:
    """Return the row of the list for a job that has ended."""
    start, error = entry.data_of("execution_start"), entry.data_of("execution_error")
    items = [
        {**item, "nodeId": node, "mediaType": media}
        for node, shown in entry.outputs.items()
        for media, found in shown.items()
        for item in found
    ]
    saved = [item for item in items if item["type"] == "output"] or items
    return {
        **_head(entry.job, entry.state(version)),
        "execution_start_time": start["timestamp"] if start else None,
        "execution_end_time": entry.messages[-1][1]["timestamp"],
        **({"execution_error": error} if error else {}),
        **_counts(len(items), version),
        **({"preview_output": saved[0]} if saved else {}),
    }


def _detailed(entry: Entry, version: Version) -> dict[str, Any]:
    workflow = {"prompt": entry.job.graph, "extra_data": entry.job.extra_data}
    more = {"outputs": entry.outputs, "execution_status": entry.status, "workflow": workflow}
    return {**_row(entry, version), **more}


def _states(text: str | None, version: Version) -> tuple[str, ...]:
    if not text:
        return version.states
    names = [name.strip().lower() for name in text.split(",")]
    wrong = [name for name in names if name not in version.states]
    if wrong:
        raise BadQuery(f"Invalid status value(s): {', '.join(wrong)}. Valid values: {', '.join(version.states)}")
    return tuple(names)


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = query.get(name, choices[0]).lower()
    if value not in choices:
        raise BadQuery(f"{name} must be one of: {', '.join(sorted(choices))}")
    return value


def _number(text: str | None, complaint: str, *, least: int) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise BadQuery(complaint)
    return int(text)


def _created(row: dict[str, Any]) -> int:
    return int(row["create_time"] or 0)


def _duration(row: dict[str, Any]) -> int:
    return int(row.get("execution_end_time", 0) - row.get("execution_start_time", 0))
