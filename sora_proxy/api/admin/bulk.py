"""Bulk actions on keys: one action on several keys, and the import of a text with one key per line."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, ValidationError

from sora_proxy.api.admin.bodies import Body, read_body
from sora_proxy.api.admin.context import KEY_REGISTRY
from sora_proxy.api.admin.keys import change_key, revive_key, test_key
from sora_proxy.api.http.answers import error_body, json_response
from sora_proxy.api.http.context import OPERATOR
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.schemas import explain
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import BatchOutcome, ImportOutcome
from sora_proxy.errors import SoraProxyError
from sora_proxy.settings.access import fingerprint
from sora_proxy.settings.kinds import UpstreamKey

MAX_KEYS = 1000
MAX_LINES = 5000
TESTS_AT_ONCE = 8  # limited, because tests of keys and list calls use the same threads
COLUMNS = ("key", "name", "weight", "max_rpm", "max_concurrent", "proxy")


class Batch(Body):
    ids: Annotated[list[str], Field(min_length=1, max_length=MAX_KEYS)]
    action: Literal["enable", "disable", "test", "revive", "delete"]


class ImportText(Body):
    """`text` has one line `token,name,weight,max_rpm,max_concurrent,proxy` per key; a token alone is enough."""

    text: str
    dry_run: bool = False


@described(Description(body=Batch, example={"ids": ["{id}"], "action": "test"}, answer=BatchOutcome))
async def batch(request: web.Request) -> web.Response:
    """Apply one action to several keys, and return the outcome for each."""
    order = await read_body(request, Batch.model_validate)
    act, at_once = _action(request, order.action), asyncio.Semaphore(TESTS_AT_ONCE)

    async def one(key_id: str) -> dict[str, Any]:
        try:
            async with at_once:
                outcome = await act(key_id)
        except SoraProxyError as error:
            return {"id": key_id, "done": False, **error_body(error)}
        return {"id": key_id, "done": True} | (outcome if isinstance(outcome, dict) else {})

    return json_response({"results": await asyncio.gather(*(one(key_id) for key_id in dict.fromkeys(order.ids)))})


def _action(request: web.Request, name: str) -> Callable[[str], Awaitable[Any]]:
    match name:
        case "enable" | "disable":
            return lambda key_id: change_key(request, key_id, {"enabled": name == "enable"})
        case "test":
            return lambda key_id: test_key(request, key_id)
        case "revive":
            return lambda key_id: revive_key(request, key_id)
    return lambda key_id: request.app[KEY_REGISTRY].remove(key_id, request[OPERATOR])


@described(
    Description(body=ImportText, example={"text": "{token},second account", "dry_run": True}, answer=ImportOutcome)
)
async def import_text(request: web.Request) -> web.Response:
    """Add the keys in a text, one per line, and return the result of each line. With `dry_run`, nothing is added."""
    dry_run, lines = await read_body(request, _read_text)
    registry, seen = request.app[KEY_REGISTRY], set[str]()
    registry.check_open()
    for line in lines:
        if line.config is not None:
            token = line.config.token
            if token in seen or registry.find_by_identity(token):
                line.result, line.reason = "exists", "Another key has this token."
            seen.add(token)
    new = [line.config for line in lines if line.config and line.result == "added"]
    if new and not dry_run:
        await registry.add(new, request[OPERATOR])
    return json_response({"dry_run": dry_run, "lines": [line.report() for line in lines]})


@dataclass(slots=True)
class _Line:
    """One line of an imported text, and its result."""

    number: int
    config: UpstreamKey | None
    result: Literal["added", "exists", "invalid"]
    reason: str | None = None

    def report(self) -> dict[str, Any]:
        """The result for operators, without the token."""
        token_id = fingerprint(self.config.token) if self.config else None
        name = self.config.name if self.config else None
        return {"line": self.number, "result": self.result, "id": token_id, "name": name, "reason": self.reason}


def _read_text(fields: dict[str, Any]) -> tuple[bool, list[_Line]]:
    order = ImportText.model_validate(fields)
    numbered = enumerate((line.strip() for line in order.text.splitlines()), 1)
    lines = [_read_line(number, line) for number, line in numbered if line and not line.startswith("#")]
    if not 1 <= len(lines) <= MAX_LINES:
        raise ClientError(f"The text must contain 1 to {MAX_LINES} keys, one per line.", param="text")
    return order.dry_run, lines


def _read_line(number: int, line: str) -> _Line:
    values = (value.strip() for value in line.split(",", len(COLUMNS) - 1))
    fields = {column: value for column, value in zip(COLUMNS, values, strict=False) if value}
    try:
        return _Line(number, UpstreamKey.model_validate(fields), "added")
    except ValidationError as error:
        return _Line(number, None, "invalid", str(explain(error)))
