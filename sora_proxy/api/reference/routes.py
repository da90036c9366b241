"""The API's document, as OpenAPI for programs and as a page for people. Both are open to all, because they reveal
nothing about this server."""

import functools
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from sora_proxy.api.http.context import THREADS
from sora_proxy.api.http.origin import known_origin, public_origin
from sora_proxy.api.reference.described import Description, described
from sora_proxy.api.reference.openapi import document
from sora_proxy.api.reference.page import CONTENT_SECURITY_POLICY, page, served_from
from sora_proxy.blocking import Work


class ApiDocument:
    """The document as OpenAPI and as a page. Each of the two is made on a thread when it is first requested, because
    making it takes a while."""

    def __init__(self, routes: Sequence[web.RouteDef], open_handlers: frozenset[object]) -> None:
        self._make = functools.partial(document, routes, open_handlers)

    @functools.cached_property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads(orjson.dumps(self._make()))  # plain JSON, which the page shows
        return content

    @functools.cached_property
    def document(self) -> bytes:
        return orjson.dumps(self._content)

    @functools.cached_property
    def page(self) -> bytes:
        return page(self._content)

    def served_from(self, origin: str | None) -> bytes:
        """The OpenAPI document for routes at `origin`. If `origin` is None, the routes are at the address of the
        document."""
        return self.document if origin is None else orjson.dumps(self._content | {"servers": [{"url": origin}]})


API_DOCUMENT = web.AppKey("api_document", ApiDocument)


@described()
async def openapi(request: web.Request) -> web.Response:
    """Retrieve this document as OpenAPI."""
    forms = request.app[API_DOCUMENT]
    body = await request.app[THREADS].run(Work.media, forms.served_from, known_origin(request))
    return web.Response(body=body, content_type="application/json")


@described(Description(media=("text/html",)))
async def docs(request: web.Request) -> web.Response:
    """Retrieve this document as a page."""
    forms = request.app[API_DOCUMENT]
    body = served_from(public_origin(request), await request.app[THREADS].run(Work.media, lambda: forms.page))
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY, "x-content-type-options": "nosniff"}
    return web.Response(body=body, headers=headers, content_type="text/html", charset="utf-8")
