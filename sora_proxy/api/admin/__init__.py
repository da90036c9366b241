"""How do operators reach us? The routes under `/admin/api/`, for the admin key or a session that it began."""

from aiohttp import web

from sora_proxy.api.admin import audit, session, settings

LOGIN = web.post("/admin/api/login", session.login)  # open to all
FOR_OPERATORS = [
    web.post("/admin/api/logout", session.logout),
    web.get("/admin/api/settings", settings.retrieve),
    web.patch("/admin/api/settings", settings.change),
    web.get("/admin/api/audit", audit.list_entries),
]
