"""Queue routes: submit and stop jobs, and show the queue and the history."""

import json
import uuid
from typing import Any

from aiohttp import web

from sora_proxy.simulator.comfyui.answering import texts_of
from sora_proxy.simulator.comfyui.checking import Check, Rejected, Unreadable
from sora_proxy.simulator.comfyui.jobs import Job, latest
from sora_proxy.simulator.comfyui.reporting import status_of
from sora_proxy.simulator.comfyui.state import COMFYUI, ComfyUI
from sora_proxy.simulator.comfyui.versions import Change
from sora_proxy.simulator.faults import Call


async def queue_length(request: web.Request) -> web.Response:
    """Show the number of jobs that have not ended."""
    return web.json_response({"exec_info": {"queue_remaining": request.app[COMFYUI].jobs.remaining}})


async def submit(request: web.Request) -> web.Response:
    """Queue a job. Raises Rejected or Unreadable."""
    simulator = request.app[COMFYUI]
    body = await body_of(request)
    note = {name: body.get(name) for name in ("prompt_id", "client_id", "prompt", "extra_data", "front")}
    simulator.ledger.note("submits", note)
    job, node_errors = _job_of(body, simulator)
    note["prompt_id"] = job.prompt_id
    await _queue(job, simulator)
    return web.json_response({"prompt_id": job.prompt_id, "number": job.number, "node_errors": node_errors})


def _job_of(body: dict[str, Any], simulator: ComfyUI) -> tuple[Job, dict[str, Any]]:
    version, number = simulator.version, _number_of(body, simulator)
    if "prompt" not in body:
        raise Rejected("no_prompt", "No prompt provided", "No prompt provided")
    prompt_id = _id_of(body, checked=version.has(Change.checked_ids))
    graph, extra_data = body["prompt"], body.get("extra_data", {})
    if not isinstance(graph, dict) or not isinstance(extra_data, dict):
        raise Unreadable
    checked = Check(graph, simulator.choices, version).run()
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    if version.has(Change.create_time):
        extra_data["create_time"] = simulator.clock.milliseconds()
    return Job(number, prompt_id, graph, extra_data, checked.outputs), checked.node_errors


def _number_of(body: dict[str, Any], simulator: ComfyUI) -> float:
    """Choose the number of a job in the queue. A job that is refused later also uses up a number."""
    if "number" in body:
        try:
            return float(body["number"])
        except (TypeError, ValueError) as error:
            raise Unreadable from error
    number = simulator.jobs.next_number()
    return -number if body.get("front") else number


def _id_of(body: dict[str, Any], *, checked: bool) -> str:
    if not checked:
        return str(body.get("prompt_id", uuid.uuid4()))
    prompt_id = body.get("prompt_id")
    if prompt_id is None:
        return str(uuid.uuid4())
    if not is_canonical(prompt_id):
        details = (
            "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
            "omit it to let the server generate one"
        )
        raise Rejected("invalid_prompt_id", "prompt_id must be a valid UUID", details)
    return str(prompt_id)


async def _queue(job: Job, simulator: ComfyUI) -> None:
    """Set the fate of a job, and add the job to the queue."""
    rule = simulator.faults.fate_rule(Call("submit", prompt="\n".join(texts_of(job.graph))))
    if rule is not None:
        simulator.faults.strike(rule)
        job.fate = rule
    if rule is None or rule.parameters.get("when") != "waiting":  # a job with this fate vanishes at once
        simulator.jobs.put(job)
    simulator.ledger.job_queued(simulator.jobs.remaining)
    await send_status(simulator)


async def queue(request: web.Request) -> web.Response:
    """Show the jobs that have not ended."""
    jobs = request.app[COMFYUI].jobs
    running = [jobs.running.described] if jobs.running is not None else []
    return web.json_response({"queue_running": running, "queue_pending": [job.described for job in jobs.waiting]})


async def change_queue(request: web.Request) -> web.Response:
    """Delete waiting jobs: all of them, or one for each given id."""
    simulator, body = request.app[COMFYUI], await body_of(request)
    if body.get("clear"):
        simulator.ledger.note("deletes", "all")
        simulator.jobs.clear()
        await send_status(simulator)
    for prompt_id in body.get("delete", []):
        simulator.ledger.note("deletes", prompt_id)
        if simulator.jobs.delete(prompt_id):
            await send_status(simulator)
    return web.Response()


async def interrupt(request: web.Request) -> web.Response:
    """Stop the running job, if it has the given id or no id is given."""
    simulator = request.app[COMFYUI]
    body = await body_of(request) if await request.read() else {}
    prompt_id = body.get("prompt_id") or None
    simulator.ledger.note("interrupts", prompt_id)
    simulator.jobs.interrupt(prompt_id)
    return web.Response()


async def history(request: web.Request) -> web.Response:
    """Show jobs that have ended, oldest first."""
    query = request.query
    try:
        max_items = int(query["max_items"]) if "max_items" in query else None
        offset = int(query.get("offset", -1))
    except ValueError as error:
        raise Unreadable from error
    return web.json_response(latest(request.app[COMFYUI].jobs.history, max_items, offset))


async def history_of_one(request: web.Request) -> web.Response:
    """Show one job that has ended, if it is in the history."""
    prompt_id = request.match_info["prompt_id"]
    entry = request.app[COMFYUI].jobs.history.get(prompt_id)
    return web.json_response({} if entry is None else {prompt_id: entry.described})


async def change_history(request: web.Request) -> web.Response:
    """Forget jobs that have ended."""
    entries, body = request.app[COMFYUI].jobs.history, await body_of(request)
    if body.get("clear"):
        entries.clear()
    for prompt_id in body.get("delete", []):
        entries.pop(prompt_id, None)
    return web.Response()


async def send_status(simulator: ComfyUI) -> None:
    """Send all sockets the number of jobs that have not ended."""
    await simulator.sockets.send("status", status_of(simulator.jobs.remaining))


async def body_of(request: web.Request) -> dict[str, Any]:
    """Read a JSON object. Raises Unreadable."""
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise Unreadable from error
    if not isinstance(body, dict):
        raise Unreadable
    return body


def is_canonical(value: Any) -> bool:
    """Return whether a value is a UUID in canonical form."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
