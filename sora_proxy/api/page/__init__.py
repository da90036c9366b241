"""The page at `/`, on which people order an image, follow its progress, and have it changed. It uses only the API.

Its files are static and small. It loads nothing from other sites, and the browser keeps the client key in memory only.
"""

from pathlib import Path

from aiohttp import web

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.reference.described import Description, described

FOLDER = Path(__file__).parent
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FILES = {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in FOLDER.iterdir() if path.suffix in TYPES}
HEADERS = {
    "cache-control": "no-cache",  # the files of a new version must not be mixed with old ones
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@described(Description(media=("text/html",)))
async def page(_request: web.Request) -> web.Response:
    """Retrieve the page on which people make images."""
    return _answer("index.html")


@described(Description(media=("text/javascript", "text/css", "image/svg+xml")))
async def file(request: web.Request) -> web.Response:
    """Retrieve a file that the page loads."""
    return _answer(request.match_info["name"])


def _answer(name: str) -> web.Response:
    if name not in FILES:
        raise ClientError("This file does not exist.", code="not_found")
    content, media_type = FILES[name]
    return web.Response(body=content, content_type=media_type, charset="utf-8", headers=HEADERS)
