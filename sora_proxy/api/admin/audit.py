"""`GET /admin/api/audit`: who changed what, newest first."""

from aiohttp import web

from sora_proxy.api.admin.bodies import page, page_bounds
from sora_proxy.api.context import AUDIT
from sora_proxy.api.described import Description, described
from sora_proxy.errors import ClientError


@described(Description(query={"after": "the number of the last entry that you have", "limit": "how many, at most"}))
async def list_entries(request: web.Request) -> web.Response:
    """Who changed what, newest first."""
    limit, after = page_bounds(request)
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise ClientError("'after' must be the number of an entry.", param="after")
    return page(await request.app[AUDIT].page(limit + 1, int(after) if after else None), limit)
