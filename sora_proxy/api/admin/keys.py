"""`/admin/api/keys`: list, add, change, delete, test and revive upstream keys. Everything takes effect at once."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from sora_proxy.api.admin.bodies import change_of, read_body
from sora_proxy.api.admin.context import AUDIT, KEY_POOLS, KEY_REGISTRY
from sora_proxy.api.admin.key_view import STATES, unused_view, view
from sora_proxy.api.context import BACKENDS_IN_USE
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import OPERATOR
from sora_proxy.api.http.paging import MAX_LIMIT_FOR_OPERATORS, PAGES, limit_of, page_of
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import explain
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import KeyAnswer, KeyDeleted, KeyList, KeyTest
from sora_proxy.errors import Fault
from sora_proxy.key_keeping.store import KeyRecord
from sora_proxy.orders.backend import Backend
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.backends import DEFAULT_BACKEND
from sora_proxy.settings.kinds import UpstreamKey


class KeyAddition(UpstreamKey):
    """A new key. `backend` is the name of the key's back end."""

    backend: str | None = None


KeyChange = change_of("KeyChange", UpstreamKey, UpstreamKey.model_fields)


@described(Description(query={"state": "return only keys in this state", **PAGES}, answer=KeyList))
async def list_keys(request: web.Request) -> web.Response:
    """List the keys in the order in which they were added; `state` selects the keys in that state."""
    limit, after = limit_of(request, maximum=MAX_LIMIT_FOR_OPERATORS), request.query.get("after")
    state = request.query.get("state")
    if state is not None and state not in STATES:
        raise ClientError(f"'state' must be one of {', '.join(STATES)}.", param="state")
    records = list(request.app[KEY_REGISTRY].records)
    if after is not None:
        records = records[records.index(request.app[KEY_REGISTRY].get(after)) + 1 :]
    chosen: list[dict[str, Any]] = []
    for record in records:
        key = _described(request, record)
        if state in (None, key["state"]):
            chosen.append(key)
        if len(chosen) > limit:
            break
    return page_of(chosen, limit)


@described(Description(answer=KeyAnswer))
async def retrieve(request: web.Request) -> web.Response:
    """Retrieve one key, with its state and the reason for the state."""
    return _view(request, request.app[KEY_REGISTRY].get(request.match_info["id"]))


@described(
    Description(body=KeyAddition, example={"key": "{token}", "name": "second account"}, answer=KeyAnswer, status=201)
)
async def add(request: web.Request) -> web.Response:
    """Add a key, in the form of an entry of the key file. If there are several back ends, `backend` must name one."""
    addition = await read_body(request, KeyAddition.model_validate)
    backend = _backend_of(request, addition)
    config = UpstreamKey(**{name: getattr(addition, name) for name in UpstreamKey.model_fields})
    (record,) = await request.app[KEY_REGISTRY].add([config], request[OPERATOR], backend)
    return _view(request, record, status=201)


def _backend_of(request: web.Request, addition: KeyAddition) -> str:
    """The value that is stored as the back end of a new key: a name, or `DEFAULT_BACKEND`. Raises ClientError."""
    pools = request.app[KEY_POOLS]
    if addition.backend is None or pools.name_of(DEFAULT_BACKEND) == addition.backend:
        if pools.name_of(DEFAULT_BACKEND) is None:
            raise ClientError("'backend' must name a back end, because there are several.", param="backend")
        if not addition.token:
            raise ClientError("Missing required parameter: 'key'.", code="missing_required_parameter", param="key")
        return DEFAULT_BACKEND
    if pools.of(addition.backend) is None:
        raise ClientError(f"The back end {addition.backend[:80]!r} does not exist.", param="backend")
    return addition.backend


@described(Description(body=KeyChange, example={"weight": 2}, answer=KeyAnswer))
async def change(request: web.Request) -> web.Response:
    """Change fields of a key; null sets a field to its default.

    A header that is sent with the value `…`, which answers show for all headers, keeps its value.
    """
    fields = await read_body(request, dict)
    return _view(request, await change_key(request, request.match_info["id"], fields))


@described(Description(answer=KeyDeleted))
async def delete(request: web.Request) -> web.Response:
    """Delete a key that has no running task. A key that its source still contains can't be deleted."""
    key_id = request.match_info["id"]
    await request.app[KEY_REGISTRY].remove(key_id, request[OPERATOR])
    return json_response({"id": key_id, "deleted": True})


@described(Description(answer=KeyTest))
async def test(request: web.Request) -> web.Response:
    """Test a key with a free call to the back end."""
    return json_response(await test_key(request, request.match_info["id"]))


@described(Description(answer=KeyAnswer))
async def revive(request: web.Request) -> web.Response:
    """Put a key back into service: end its quarantine or cooldown, and forget its learned limit."""
    key_id = request.match_info["id"]
    await revive_key(request, key_id)
    return _view(request, request.app[KEY_REGISTRY].get(key_id))


# --- Shared with bulk actions -----------------------------------------------------------------------------------------


async def change_key(request: web.Request, key_id: str, fields: dict[str, Any]) -> KeyRecord:
    """Set fields of a key. Raises ClientError."""
    try:
        return await request.app[KEY_REGISTRY].change(key_id, fields, request[OPERATOR])
    except ValidationError as error:
        raise explain(error) from None


async def revive_key(request: web.Request, key_id: str) -> None:
    backend, key = _in_use(request, key_id)
    backend.keys.revive(key)
    await request.app[AUDIT].note(request[OPERATOR], "key.revive", key_id)


async def test_key(request: web.Request, key_id: str) -> dict[str, Any]:
    """Ask the back end whether a key works. A working key is revived; a fault has the same effect on the key as during
    an order."""
    backend, key = _in_use(request, key_id)
    pool, account = backend.keys, backend.keys.account(key)
    try:
        await backend.upstream.probe(account)
    except Fault as fault:
        pool.report(key, fault)
        return {"id": key_id, "works": False, "code": fault.code, "reason": str(fault)}
    if key.rejected or key.cooldown.failures or key.unproven:
        await revive_key(request, key_id)
    pool.succeeded(key, account)
    return {"id": key_id, "works": True}


def _in_use(request: web.Request, key_id: str) -> tuple[Backend, Key]:
    """A key in use and its back end. Raises KeyNotFound, or ClientError if the back end is not in use."""
    at_work = _at_work(request, request.app[KEY_REGISTRY].get(key_id))
    if at_work is None:
        raise ClientError(
            "The back end of this key is not in use. Enable or add the back end first.", code="conflict", param="id"
        )
    return at_work


def _at_work(request: web.Request, record: KeyRecord) -> tuple[Backend, Key] | None:
    name = request.app[KEY_POOLS].name_of(record.backend)
    backend = None if name is None else request.app[BACKENDS_IN_USE].get(name)
    if backend is None or (key := backend.keys.get(record.id)) is None:
        return None
    return backend, key


def _described(request: web.Request, record: KeyRecord) -> dict[str, Any]:
    at_work = _at_work(request, record)
    if at_work is None:
        return unused_view(record)
    backend, key = at_work
    return view(record, key, backend.keys.moment, backend.name)


def _view(request: web.Request, record: KeyRecord, *, status: int = 200) -> web.Response:
    return json_response(_described(request, record), status=status)
