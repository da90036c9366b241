"""Calls: makes HTTP calls to ComfyUI servers, and turns answers that refuse a call into faults.

ComfyUI itself has no accounts and no rate limits, so a refusal with 401, 403 or 429 comes from a proxy in front of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import structlog

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import (
    Fault,
    KeyRejected,
    RateLimited,
    RequestFault,
    SubmissionUnknown,
    UpstreamUnavailable,
)
from sora_proxy.foreign.bounded_json import as_object, objects_in, read_json
from sora_proxy.foreign.retry_after import retry_after
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import BackendOptions
from sora_proxy.upstream.downloads import REDIRECTS
from sora_proxy.upstream.http_client import Call, HttpClient, refused_on_the_way

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 32 * 2**20  # an answer about the queue contains the graph of each job
MAX_VALUES = 2_000_000  # JSON values in an answer
REFUSED_FILE = (400, 415, 422)
JSON = {"content-type": "application/json"}
WORD = re.compile(r"[\w .:-]{1,100}")
# These codes mean that the server lacks a node or a model file. Before ComfyUI 0.12, the second code meant an unknown
# node.
MISSING = {"missing_node_type", "invalid_prompt", "value_not_in_list"}
# These codes mean that the workflow has a fault that affects every order.
FAULTY = {
    "dependency_cycle",
    "exception_during_validation",
    "prompt_no_outputs",
    "required_input_missing",
    "return_type_mismatch",
}
REJECTED = {
    401: "The server, or a proxy in front of it, requires a login.",
    403: "The server, or a proxy in front of it, denies access.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer. `document` is the JSON in the answer; None if there is no JSON."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Calls:
    """Makes calls for accounts, each of which is one server."""

    def __init__(self, options: BackendOptions, http: HttpClient, threads: BlockingPool) -> None:
        self._options = options
        self._http = http
        self._threads = threads

    def base(self, account: Account) -> str:
        """The address of an account's server."""
        return account.base_url or self._options.base_url

    def headers(self, account: Account) -> dict[str, str]:
        """The headers of every call, including calls that open sockets or download files."""
        login = {"authorization": f"Bearer {account.token}"} if account.token else {}
        return {**login, **self._options.extra_headers, **account.headers}

    def call(self, account: Account, method: str, path: str, **more: Any) -> Call:
        headers = self.headers(account) | more.pop("headers", {})
        seconds = more.pop("seconds", self._options.deadlines.poll)
        return Call(method, self.base(account) + path, account.egress, seconds, headers, **more)

    async def get(self, account: Account, path: str) -> dict[str, Any]:
        """Get the JSON object at a path of the server. Raises Fault if the answer does not contain one."""
        return self._object(await self.answer(self.call(account, "GET", path)), account)

    async def post(self, account: Account, path: str, body: Mapping[str, Any]) -> Answer:
        """Send JSON that is not an order, and return the answer. Raises Fault if the server does not answer."""
        return await self.answer(self.call(account, "POST", path, body=orjson.dumps(body), headers=JSON))

    async def upload(self, account: Account, form: aiohttp.FormData) -> dict[str, Any]:
        """Upload a file, and return the JSON of the answer. Raises Fault if the file was not accepted."""
        seconds = self._options.deadlines.upload
        answer = await self.answer(self.call(account, "POST", "/upload/image", body=form, seconds=seconds))
        if answer.status == 413:
            raise RequestFault(
                "The reference image is too large for the back end. Use a smaller file.", code="request_too_large"
            )
        if answer.status in REFUSED_FILE:
            raise RequestFault("The back end refuses the reference image. Use another file.", code="invalid_image")
        return self._object(answer, account)

    async def order(self, account: Account, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send an order, and return the JSON of the answer. Raises SubmissionUnknown if the outcome is unknown, or
        another Fault if the order was not registered."""
        seconds, content = self._options.deadlines.submit, orjson.dumps(body)
        call = self.call(account, "POST", "/prompt", body=content, headers=JSON, seconds=seconds, is_order=True)
        answer = await self.answer(call)
        if answer.status == 200 and isinstance(answer.document, dict):
            return answer.document
        if answer.status == 400 and isinstance(answer.document, dict):
            raise refusal_in(answer.document)
        if answer.status == 413:
            raise RequestFault("The order is too large for the back end.", code="request_too_large")
        fault = _fault_of(answer, account)
        if isinstance(fault, UpstreamUnavailable) and not _refuses(answer.status):
            message = f"The back end answered with status {answer.status}. It is unknown whether it accepted the order."
            raise SubmissionUnknown(message)
        raise fault

    async def answer(self, call: Call) -> Answer:
        """Make a call, and read its whole answer. Raises Fault if the server does not answer."""
        content = bytearray()
        async with self._http.answer(call) as answer:
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    return Answer(answer.status, answer.headers, None)
        document = await self._threads.run(Work.poll, _json_of, bytes(content))
        return Answer(answer.status, answer.headers, document)

    @staticmethod
    def _object(answer: Answer, account: Account) -> dict[str, Any]:
        if answer.status == 200 and isinstance(answer.document, dict):
            return answer.document
        raise _fault_of(answer, account)


def refusal_in(document: Mapping[str, Any]) -> RequestFault:
    """The fault of a refused graph. The nodes and inputs at fault are logged, but not shown to clients, because clients
    did not make the workflow."""
    kinds, where = {_word(as_object(document.get("error")).get("type"))}, []
    for node_id, node in as_object(document.get("node_errors")).items():
        for each in objects_in(as_object(node).get("errors")):
            name, kind = _word(as_object(each.get("extra_info")).get("input_name")), _word(each.get("type"))
            kinds.add(kind)
            where.append(f"{_word(node_id)} {_word(node.get('class_type'))}.{name}: {kind}")
    log.warning("comfyui graph refused", errors=sorted(kinds - {""}), nodes=where[:10])
    if kinds & MISSING:
        return RequestFault("The back end lacks a node or a model file of the workflow.", code="model_unavailable")
    if kinds & FAULTY:
        return RequestFault("The workflow of this model has a fault; the log describes it.", code="model_unavailable")
    return RequestFault(
        "The back end refused this order. Change the prompt, the size, the parameters or the images.",
        code="order_refused",
    )


def _fault_of(answer: Answer, account: Account) -> Fault:
    """The fault of an unexpected answer."""
    status = answer.status
    if refused := refused_on_the_way(status, answer.headers, account.egress):
        return refused
    if status in REJECTED:
        return KeyRejected(REJECTED[status])
    if status == 429:
        return RateLimited("A proxy in front of the back end limits calls.", retry_after=retry_after(answer.headers))
    if status in REDIRECTS or status in (200, 404, 405):
        return UpstreamUnavailable("The back end does not answer as ComfyUI does. Check its address.")
    return UpstreamUnavailable(f"The back end answered with status {status}.")


def _refuses(status: int) -> bool:
    """Whether an answer with this status proves that the order is not queued."""
    return status in REDIRECTS or (400 <= status < 500 and status not in (408, 499))


def _word(value: Any) -> str:
    return value if isinstance(value, str) and WORD.fullmatch(value) else ""


def _json_of(content: bytes) -> Any:
    try:
        return read_json(content, MAX_VALUES)
    except ValueError:
        return None
