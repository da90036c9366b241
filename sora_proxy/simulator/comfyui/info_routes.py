"""Info routes: describe the server, its nodes and its models, and serve the WebSocket."""

import json
import uuid

from aiohttp import WSMsgType, web

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE
from sora_proxy.simulator.comfyui.reporting import status_of
from sora_proxy.simulator.comfyui.sockets import Connection
from sora_proxy.simulator.comfyui.state import COMFYUI
from sora_proxy.simulator.comfyui.versions import system_stats


async def stats(request: web.Request) -> web.Response:
    """Describe the server."""
    return web.json_response(system_stats(request.app[COMFYUI].version))


async def features(request: web.Request) -> web.Response:
    """Return the feature flags."""
    return web.json_response(request.app[COMFYUI].version.features)


async def folders(request: web.Request) -> web.Response:
    """List the folders of models."""
    return web.json_response(list(request.app[COMFYUI].options.models))


async def models(request: web.Request) -> web.Response:
    """List the models of a folder."""
    names = request.app[COMFYUI].options.models.get(request.match_info["folder"])
    return web.Response(status=404) if names is None else web.json_response(names)


async def node_classes(request: web.Request) -> web.Response:
    """Describe all node classes, or only the one with the requested name. For an unknown name, the answer is empty."""
    simulator, wanted = request.app[COMFYUI], request.match_info.get("name")
    names = [name for name in CATALOGUE if wanted in (None, name)]
    choices, version = simulator.choices, simulator.version
    return web.json_response({name: CATALOGUE[name].info(name, choices, version) for name in names})


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Report events until the client closes the socket."""
    simulator = request.app[COMFYUI]
    sockets, jobs = simulator.sockets, simulator.jobs
    connection = Connection(web.WebSocketResponse(), request.transport)
    await connection.socket.prepare(request)
    name = request.query.get("clientId") or uuid.uuid4().hex
    sockets.add(name, connection)
    simulator.ledger.wake()
    try:
        await sockets.send("status", {**status_of(jobs.remaining), "sid": name}, name)
        running = jobs.running
        if running is not None and running.client_id == name and running.node is not None:
            await sockets.send("executing", {"node": running.node}, name)
        is_first = True
        async for frame in connection.socket:
            if is_first and frame.type is WSMsgType.TEXT and _wants_metadata(frame.data):
                sockets.wants_metadata(name)
                await sockets.send("feature_flags", simulator.version.features, name)
            is_first = False
    finally:
        sockets.closed(name)
        simulator.ledger.wake()
    return connection.socket


def _wants_metadata(text: str) -> bool:
    """Return whether a frame contains feature flags that ask for previews with metadata."""
    try:
        frame = json.loads(text)
    except ValueError:
        return False
    is_flags = isinstance(frame, dict) and frame.get("type") == "feature_flags"
    return is_flags and bool(frame.get("data", {}).get("supports_preview_metadata"))
