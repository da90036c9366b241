"""`GET /admin/api/audit`: the changes that operators made, newest first."""

from aiohttp import web

from sora_proxy.api.admin.context import AUDIT
from sora_proxy.api.http.paging import MAX_LIMIT_FOR_OPERATORS, PAGES, limit_of, page_of
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.operator_answers import AuditList


@described(Description(query=PAGES, answer=AuditList))
async def list_entries(request: web.Request) -> web.Response:
    """List the entries of the audit log, newest first."""
    limit, after = limit_of(request, maximum=MAX_LIMIT_FOR_OPERATORS), request.query.get("after")
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise ClientError("'after' must be the id of an entry of the audit log.", param="after")
    return page_of(await request.app[AUDIT].page(limit + 1, int(after) if after else None), limit)
