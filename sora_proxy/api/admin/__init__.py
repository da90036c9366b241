"""The admin API: the routes under `/admin/api/`, for the admin key or a session that was started with it.

Each route consists of a `@described` handler in this folder and a line below. The typed keys of the objects that the
handlers need are in `context.py` and `backend_context.py` of this folder, in `api/context.py` and in
`api/http/context.py`.
"""

from aiohttp import web

from sora_proxy.api.admin import activity, audit, backends, bulk, keys, session, settings
from sora_proxy.api.context import BACKENDS_IN_USE
from sora_proxy.api.http.context import OPERATOR
from sora_proxy.api.lookup import BACKEND_HEADER

LOGIN = web.post("/admin/api/login", session.login)  # open to all
FOR_OPERATORS = [
    web.post("/admin/api/logout", session.logout),
    web.get("/admin/api/keys", keys.list_keys),
    web.post("/admin/api/keys", keys.add),
    web.post("/admin/api/keys/batch", bulk.batch),
    web.post("/admin/api/keys/import", bulk.import_text),
    web.get("/admin/api/keys/{id}", keys.retrieve),
    web.patch("/admin/api/keys/{id}", keys.change),
    web.delete("/admin/api/keys/{id}", keys.delete),
    web.post("/admin/api/keys/{id}/test", keys.test),
    web.post("/admin/api/keys/{id}/revive", keys.revive),
    web.get("/admin/api/backends", backends.list_backends),
    web.post("/admin/api/backends", backends.add),
    web.get("/admin/api/backends/{name}", backends.retrieve),
    web.patch("/admin/api/backends/{name}", backends.change),
    web.delete("/admin/api/backends/{name}", backends.delete),
    web.post("/admin/api/backends/{name}/refresh", backends.refresh),
    web.get("/admin/api/usage", activity.usage),
    web.get("/admin/api/queue", activity.queue),
    web.get("/admin/api/generations", activity.generations),
    web.get("/admin/api/settings", settings.retrieve),
    web.patch("/admin/api/settings", settings.change),
    web.get("/admin/api/audit", audit.list_entries),
]


async def add_backend_header(request: web.Request, response: web.StreamResponse) -> None:
    """Name the enabled back ends in the headers of every answer to operators."""
    if OPERATOR in request:
        names = ", ".join(backend.name for backend in request.app[BACKENDS_IN_USE].enabled)
        response.headers.setdefault(BACKEND_HEADER, names)
