"""`/admin/api/keys`: list, add, change, delete, test and revive upstream keys. Everything takes effect at once."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError, create_model

from sora_proxy.api.admin.bodies import read_body
from sora_proxy.api.admin.context import AUDIT, KEY_POOL, KEY_REGISTRY
from sora_proxy.api.admin.key_view import STATES, status_of, view
from sora_proxy.api.context import UPSTREAM
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.http.context import OPERATOR
from sora_proxy.api.http.paging import MAX_LIMIT_FOR_OPERATORS, PAGES, limit_of, page_of
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import explain
from sora_proxy.api.reference.described import Description, described
from sora_proxy.errors import Fault
from sora_proxy.key_keeping.store import KeyRecord
from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.kinds import UpstreamKey

# For the document: a change is checked when it is merged into the key's configuration.
ANY_FIELD: Any = dict.fromkeys(UpstreamKey.model_fields, (Any, None))
KeyChange = create_model("KeyChange", **ANY_FIELD)


@described(Description(query={"state": "only keys in this state", **PAGES}))
async def list_keys(request: web.Request) -> web.Response:
    """List keys, in the order in which they were added; `state` selects those in one state."""
    limit, after = limit_of(request, maximum=MAX_LIMIT_FOR_OPERATORS), request.query.get("after")
    state = request.query.get("state")
    if state is not None and state not in STATES:
        raise ClientError(f"'state' must be one of {', '.join(STATES)}.", param="state")
    records = list(request.app[KEY_REGISTRY].records)
    if after is not None:
        records = records[records.index(request.app[KEY_REGISTRY].get(after)) + 1 :]
    pool = request.app[KEY_POOL]
    moment = pool.moment
    chosen: list[dict[str, Any]] = []
    for record in records:
        key = key_of(request, record.id)
        if state in (None, status_of(key, moment).state):
            chosen.append(view(record, key, moment, request.app[UPSTREAM].name))
        if len(chosen) > limit:
            break
    return page_of(chosen, limit)


@described()
async def retrieve(request: web.Request) -> web.Response:
    """Retrieve one key, its state and the reason."""
    return _view(request, request.app[KEY_REGISTRY].get(request.match_info["id"]))


@described(Description(body=UpstreamKey, status=201))
async def add(request: web.Request) -> web.Response:
    """Add one key: an object as in the key file."""
    config = await read_body(request, UpstreamKey.model_validate)
    (record,) = await request.app[KEY_REGISTRY].add([config], request[OPERATOR])
    return _view(request, record, status=201)


@described(Description(body=KeyChange))
async def change(request: web.Request) -> web.Response:
    """Set some fields of a key; null sets a field to its default."""
    fields = await read_body(request, dict)
    return _view(request, await change_key(request, request.match_info["id"], fields))


@described()
async def delete(request: web.Request) -> web.Response:
    """Delete a key on which no task runs, unless its source would bring it back."""
    key_id = request.match_info["id"]
    await request.app[KEY_REGISTRY].remove(key_id, request[OPERATOR])
    return json_response({"id": key_id, "deleted": True})


@described()
async def test(request: web.Request) -> web.Response:
    """Make a free call with a key, and report the outcome."""
    return json_response(await test_key(request, request.match_info["id"]))


@described()
async def revive(request: web.Request) -> web.Response:
    """End whatever keeps a key out of service: a quarantine, a cooldown, a learned limit."""
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
    request.app[KEY_REGISTRY].get(key_id)
    request.app[KEY_POOL].revive(key_of(request, key_id))
    await request.app[AUDIT].note(request[OPERATOR], "key.revive", key_id)


async def test_key(request: web.Request, key_id: str) -> dict[str, Any]:
    """Ask the back end whether a key works. If it does, it is revived; a fault has its usual effect."""
    request.app[KEY_REGISTRY].get(key_id)
    key, pool = key_of(request, key_id), request.app[KEY_POOL]
    account = pool.account(key)
    try:
        await request.app[UPSTREAM].probe(account)
    except Fault as fault:
        pool.report(key, fault)
        return {"id": key_id, "works": False, "code": fault.code, "reason": str(fault)}
    if key.rejected or key.cooldown.failures or key.unproven:
        await revive_key(request, key_id)
    pool.succeeded(key, account)
    return {"id": key_id, "works": True}


def key_of(request: web.Request, key_id: str) -> Key:
    """The pool's key for a key of the registry."""
    key = request.app[KEY_POOL].get(key_id)
    assert key is not None  # noqa: S101 - every key of the registry is in the pool
    return key


def _view(request: web.Request, record: KeyRecord, *, status: int = 200) -> web.Response:
    moment, backend = request.app[KEY_POOL].moment, request.app[UPSTREAM].name
    return json_response(view(record, key_of(request, record.id), moment, backend), status=status)
