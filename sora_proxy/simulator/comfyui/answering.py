"""Answering: admits and counts every call, and gives the normal answer or the one that an injected fault demands."""

import base64
import hmac
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sora_proxy.simulator import pages
from sora_proxy.simulator.comfyui.checking import Rejected, Unreadable
from sora_proxy.simulator.comfyui.state import COMFYUI
from sora_proxy.simulator.comfyui.versions import MAX_BODY, Change
from sora_proxy.simulator.faults import Call, Rule
from sora_proxy.simulator.json_answers import json_response
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.sending import cut

CONTROL = ("/stats", "/simulator/")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def spoilable(endpoint: str, handler: Handler) -> Handler:
    """Wrap a handler, so that its calls are counted and injected faults apply to them."""

    async def answer(request: web.Request) -> web.StreamResponse:
        simulator = request.app[COMFYUI]
        simulator.ledger.arrived(endpoint)
        prompt = await _texts_of(request) if endpoint == "submit" and simulator.faults.rules() else None
        rule = simulator.faults.answer_rule(Call(endpoint, prompt=prompt))
        if rule is None:
            return await handler(request)
        simulator.faults.strike(rule)
        simulator.ledger.wake()
        return await _spoiled(request, rule, handler)

    return answer


async def _spoiled(request: web.Request, rule: Rule, handler: Handler) -> web.StreamResponse:
    simulator, given = request.app[COMFYUI], rule.parameters
    if rule.fault == "hang":
        seconds, starts = math.inf if given["seconds"] is None else given["seconds"], simulator.starts
        answer = await handler(request) if given["when"] == "after" else None
        await simulator.clock.sleep(seconds)
        if simulator.starts != starts:  # the process that handled the call has ended
            return cut(request, reset=True)
        return answer or await handler(request)
    if rule.fault == "node_errors":
        return await _with_node_errors(await handler(request))
    if given.get("takes_effect"):
        await handler(request)
    if rule.fault == "drop":
        return cut(request, reset=True)
    if rule.fault == "html":
        return pages.plain(given["status"])
    status = 404 if rule.fault == "view_gone" else given["status"]
    return in_trouble() if status == 500 else web.Response(status=status)


async def _with_node_errors(answer: web.StreamResponse) -> web.StreamResponse:
    """Add an error to the answer to a submit; the error is about a node that does not belong to the order."""
    if not isinstance(answer, web.Response) or answer.status != 200:
        return answer
    missing = {"type": "required_input_missing", "message": "Required input is missing", "details": "images"}
    errors = [{**missing, "extra_info": {"input_name": "images"}}]
    node_errors = {"99": {"errors": errors, "dependent_outputs": ["99"], "class_type": "SaveImage"}}
    return web.json_response({**json.loads(answer.text or ""), "node_errors": node_errors})


async def _texts_of(request: web.Request) -> str:
    return "\n".join(texts_of(await _graph_of(request)))


async def _graph_of(request: web.Request) -> Any:
    try:
        body = json.loads(await request.read())
    except ValueError:
        return None
    return body.get("prompt") if isinstance(body, dict) else None


def texts_of(graph: Any) -> list[str]:
    """Return the prompts in a graph, which may be invalid."""
    nodes = graph.values() if isinstance(graph, dict) else []
    inputs = [node.get("inputs") for node in nodes if isinstance(node, dict)]
    texts = [each.get("text") for each in inputs if isinstance(each, dict)]
    return [text for text in texts if isinstance(text, str)]


def in_trouble() -> web.Response:
    """Return the answer to a request that can't be read."""
    answer = web.Response(text="500 Internal Server Error\n\nServer got itself in trouble", status=500)
    answer.force_close()
    return answer


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit a call or refuse it, and format errors as ComfyUI does."""
    if request.path.startswith(CONTROL):
        try:
            return await handler(request)
        except Refusal as refusal:
            return json_response(refusal.payload(), refusal.status, refusal.headers)
    answer = _turned_away(request) or await _answered(request, handler)
    request.app[COMFYUI].ledger.answered(answer.status)
    return answer


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Rejected as rejected:
        return web.json_response({"error": rejected.error, "node_errors": rejected.node_errors}, status=400)
    except Unreadable:
        return in_trouble()
    except web.HTTPRequestEntityTooLarge:
        return web.Response(text=f"Maximum request body size {MAX_BODY} exceeded.", status=413)
    except web.HTTPException as error:
        return web.Response(text=error.text, status=error.status, headers=_allowed(error))


def _allowed(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}


def _turned_away(request: web.Request) -> web.Response | None:
    """Return the refusal of a call, or None if the call is admitted. The proxy in front refuses calls without a login,
    and ComfyUI refuses calls from pages of other sites."""
    options = request.app[COMFYUI].options
    if options.user and not _is_logged_in(request.headers.get("Authorization", ""), options.user, options.password):
        answer = pages.plain(401)
        answer.headers["WWW-Authenticate"] = 'Basic realm="ComfyUI"'
        return answer
    if _is_of_another_site(request):
        return web.Response(status=403)
    return None


def _is_logged_in(header: str, user: str, password: str) -> bool:
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    given = header.encode()
    return any(hmac.compare_digest(given, each.encode()) for each in (f"Basic {basic}", f"Bearer {password}"))


def _is_of_another_site(request: web.Request) -> bool:
    new = request.app[COMFYUI].version.has(Change.cross_site)
    if new and request.headers.get("Sec-Fetch-Site") == "cross-site":
        return True
    host, origin = urlsplit(f"//{request.host}"), urlsplit(request.headers.get("Origin", ""))
    if not origin.hostname or host.hostname not in LOOPBACK:
        return False
    port = origin.port or {"http": 80, "https": 443}.get(origin.scheme)
    return (origin.hostname, port) != (host.hostname, host.port or port)
