"""Pages: answers that are not JSON, such as challenge pages, error pages of an edge server, and hostile files."""

import functools
import gzip
import struct
import zlib

from aiohttp import web

MEGABYTE = 2**20

_MODERN = """<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>
<meta name="robots" content="noindex,nofollow"></head>
<body><noscript>Enable JavaScript and cookies to continue</noscript>
<script>window._cf_chl_opt = {cType: 'managed', cRay: '8f00000000000000'};
var a = document.createElement('script');
a.src = '/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1?ray=8f00000000000000';
document.head.appendChild(a);</script></body></html>"""

# Programs that solve challenges recognize this older page. They give up on it, and raise an exception of their own.
_LEGACY = """<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>
<script>(function(){{var cpo = document.createElement('script');
cpo.src = '/cdn-cgi/challenge-platform/h/g/orchestrate/{kind}/v1?ray=8f00000000000000';
document.head.appendChild(cpo);}}());</script><img src="/cdn-cgi/images/trace/{kind}/transparent.gif">
<form id="challenge-form" action="/backend/video_gen?__cf_chl_f_tk=0" method="POST"></form></body></html>"""

_EDGE = """<!DOCTYPE html><html><head><title>sora.chatgpt.com | {status}: Web server error</title></head>
<body><h1>Error {status}</h1><p>The origin web server did not answer as it should.</p></body></html>"""

_PLAIN = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>'


def _page(text: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def challenge(status: int, page: str, *, marked: bool) -> web.Response:
    """Return the page with which an edge server checks that the client is a browser."""
    headers = {"Server": "cloudflare", "CF-RAY": "8f00000000000000-SIM"}
    if marked:
        headers["cf-mitigated"] = "challenge"
    legacy = _LEGACY.format(kind="managed" if status == 403 else "jsch")
    return _page(legacy if page == "legacy" else _MODERN, status, headers)


def edge_error(status: int) -> web.Response:
    """Return the page of an edge server whose origin server did not answer."""
    return _page(_EDGE.format(status=status), status, {"Server": "cloudflare"})


def plain(status: int, content_type: str = "text/html") -> web.Response:
    """Return a harmless page."""
    return web.Response(body=_PLAIN.encode(), status=status, headers={"Content-Type": content_type})


def svg(content_type: str) -> web.Response:
    """Return a vector image with a script in it."""
    return web.Response(body=_SVG.encode(), headers={"Content-Type": content_type})


@functools.cache
def _gzipped_megabyte() -> bytes:
    return gzip.compress(bytes(MEGABYTE))


def gzip_bomb(megabytes: int) -> web.Response:
    """Return a small body that decompresses to this many megabytes."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "image/png"}
    return web.Response(body=_gzipped_megabyte() * megabytes, headers=headers)


def pixel_bomb(width: int, height: int) -> web.Response:
    """Return a tiny PNG whose header claims this width and height in pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b"")
    return web.Response(body=b"\x89PNG\r\n\x1a\n" + chunks, content_type="image/png")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
