"""Routes: adds the routes that a version has. Most of them exist with and without the prefix `/api`."""

from aiohttp import web

from sora_proxy.simulator.comfyui import file_routes, info_routes, job_routes, queue_routes
from sora_proxy.simulator.comfyui.answering import Handler, spoilable
from sora_proxy.simulator.comfyui.versions import Change, Version

PREFIX = "/api"
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "/prompt", "submit", queue_routes.submit),
    ("GET", "/prompt", "queue", queue_routes.queue_length),
    ("GET", "/queue", "queue", queue_routes.queue),
    ("POST", "/queue", "delete", queue_routes.change_queue),
    ("POST", "/interrupt", "interrupt", queue_routes.interrupt),
    ("GET", "/history", "history", queue_routes.history),
    ("POST", "/history", "forget", queue_routes.change_history),
    ("GET", "/history/{prompt_id}", "history", queue_routes.history_of_one),
    ("POST", "/upload/image", "upload", file_routes.upload),
    ("GET", "/view", "view", file_routes.view),
    ("GET", "/models", "models", info_routes.folders),
    ("GET", "/models/{folder}", "models", info_routes.models),
    ("GET", "/object_info", "object_info", info_routes.node_classes),
    ("GET", "/object_info/{name}", "object_info", info_routes.node_classes),
    ("GET", "/system_stats", "system_stats", info_routes.stats),
    ("GET", "/features", "features", info_routes.features),
    ("GET", "/ws", "ws", info_routes.socket),
)
JOB_ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/api/jobs", "jobs", job_routes.many),
    ("GET", "/api/jobs/{prompt_id}", "job", job_routes.one),
)
CANCEL_ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "/api/jobs/cancel", "cancel", job_routes.cancel_many),
    ("POST", "/api/jobs/{prompt_id}/cancel", "cancel", job_routes.cancel),
)


def add_routes(app: web.Application, version: Version) -> None:
    """Add the routes of a version."""
    routes = [*ROUTES, *((method, PREFIX + path, endpoint, handler) for method, path, endpoint, handler in ROUTES)]
    routes += JOB_ROUTES if version.has(Change.jobs) else ()
    routes += CANCEL_ROUTES if version.has(Change.cancel) else ()
    for method, path, endpoint, handler in routes:
        app.router.add_route(method, path, spoilable(endpoint, handler))


def add_missing(app: web.Application) -> None:
    """Add a route for all other paths, where a real server has the files of its front end. Call this function last."""
    app.router.add_get("/{path:.*}", _missing)


async def _missing(_: web.Request) -> web.Response:
    return web.Response(status=404, content_type="application/octet-stream")
