"""`/admin/api/backends`: list, add, change, drain and delete back ends. Everything takes effect at once."""

from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from sora_proxy.api.admin.backend_context import BACKEND_REGISTRY, DISCOVERY
from sora_proxy.api.admin.bodies import change_of, read_body
from sora_proxy.api.context import BACKENDS_IN_USE, SUPERVISOR
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import OPERATOR
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import explain
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import BackendAnswer, BackendDeleted, BackendList
from sora_proxy.backend_keeping.registry import redacted
from sora_proxy.backend_keeping.store import BackendRecord
from sora_proxy.errors import ConfigurationError, Fault
from sora_proxy.orders.backend import Backend
from sora_proxy.settings.backends import BackendConfig

log = structlog.get_logger(__name__)

CHANGEABLE = ("base_url", "models", "options", "enabled")
BackendChange = change_of("BackendChange", BackendConfig, CHANGEABLE)


@described(Description(answer=BackendList))
async def list_backends(request: web.Request) -> web.Response:
    """List the back ends, the preferred ones first, each with its state and its models."""
    return json_response(
        {"object": "list", "data": [_view(request, each) for each in request.app[BACKEND_REGISTRY].records]}
    )


@described(Description(answer=BackendAnswer))
async def retrieve(request: web.Request) -> web.Response:
    """Retrieve one back end."""
    return json_response(_view(request, request.app[BACKEND_REGISTRY].get(request.match_info["name"])))


EXAMPLE = {"name": "studio", "kind": "comfyui", "base_url": "http://127.0.0.1:8188"}


@described(Description(body=BackendConfig, example=EXAMPLE, answer=BackendAnswer, status=201))
async def add(request: web.Request) -> web.Response:
    """Add a back end with its keys, in the form of an entry of `BACKENDS`, and ask it for its models."""
    config = await read_body(request, _config)
    record = await _changed(request.app[BACKEND_REGISTRY].add(config, request[OPERATOR]), config.name)
    return await _asked(request, record.name, status=201)


@described(Description(body=BackendChange, example={"options": {"max_images_per_day": 500}}, answer=BackendAnswer))
async def change(request: web.Request) -> web.Response:
    """Change fields of a back end; null sets a field to its default.

    `options` are merged by name: null removes an option. A header that is sent with the value `…`, which answers show
    for all headers, keeps its value. A back end with `enabled` false is drained: it finishes its orders and accepts no
    new orders.
    """
    name, fields = request.match_info["name"], await read_body(request, dict)
    if unknown := fields.keys() - set(CHANGEABLE):
        fields_named = ", ".join(CHANGEABLE)
        raise ClientError(
            f"Only these fields can be changed: {fields_named}.", code="unknown_parameter", param=min(unknown)
        )
    await _changed(request.app[BACKEND_REGISTRY].change(name, fields, request[OPERATOR]), name)
    return await _asked(request, name)


@described(Description(answer=BackendDeleted))
async def delete(request: web.Request) -> web.Response:
    """Delete a back end that has no orders, and its keys. A back end in the configuration can't be deleted."""
    name = request.match_info["name"]
    await request.app[BACKEND_REGISTRY].remove(name, request[OPERATOR])
    return json_response({"name": name, "deleted": True})


@described(Description(answer=BackendAnswer))
async def refresh(request: web.Request) -> web.Response:
    """Ask a back end for its models."""
    return await _asked(request, request.app[BACKEND_REGISTRY].get(request.match_info["name"]).name)


def _config(fields: dict[str, Any]) -> BackendConfig:
    return BackendConfig.model_validate(fields)


async def _changed(change: Any, name: str) -> BackendRecord:
    """Wait for a change to a back end, and return the new record. Raises ClientError."""
    try:
        record: BackendRecord = await change
    except ValidationError as error:
        raise explain(error) from None
    except ConfigurationError as error:
        raise ClientError(error.faults[0].removeprefix(f"BACKENDS: {name}: ")[:300]) from None
    return record


async def _asked(request: web.Request, name: str, *, status: int = 200) -> web.Response:
    """Ask a back end for its models, and return the back end; `why_not_listed` is the reason if it did not answer."""
    backend, why = request.app[BACKENDS_IN_USE][name], None
    try:
        await request.app[DISCOVERY].ask(backend)
    except Fault as fault:
        why = str(fault)
    view = _view(request, request.app[BACKEND_REGISTRY].get(name))
    return json_response(view | {"why_not_listed": why}, status=status)


def _view(request: web.Request, record: BackendRecord) -> dict[str, Any]:
    backend = request.app[BACKENDS_IN_USE][record.name]
    unfinished = sum(each.state.backend == record.name for each in request.app[SUPERVISOR].unfinished)
    capabilities = record.capabilities or backend.upstream.capabilities
    served = list(record.config.models or capabilities.models)
    return redacted(record.config) | {
        "origin": record.origin,
        "created_at": record.created_at,
        "state": _state_of(backend, unfinished),
        "why": backend.outage.reason if backend.outage else request.app[DISCOVERY].fault_of(record.name),
        "served_models": served,
        "keys": len(backend.keys.keys),
        "unfinished": unfinished,
        "waiting": len(backend.keys.queue),
    }


def _state_of(backend: Backend, unfinished: int) -> str:
    if not backend.enabled:
        return "draining" if unfinished else "disabled"
    if not backend.keys.usable:
        return "no_key"
    return "unreachable" if backend.outage else "ready"
