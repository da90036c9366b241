"""The origin of this server as the client knows it. Links to images begin with it."""

from aiohttp import web
from yarl import URL

from sora_proxy.api.http.context import SETTINGS
from sora_proxy.api.http.forwarding import through_trusted_proxy


def public_origin(request: web.Request) -> str:
    """`BASE_URL`, or else the scheme and host that the client used, as this server or a trusted proxy saw them."""
    if base_url := request.app[SETTINGS].current.base_url:
        return base_url
    scheme, host = request.scheme, request.host
    if through_trusted_proxy(request):
        scheme = request.headers.get("x-forwarded-proto", scheme).split(",")[0].strip()
        host = request.headers.get("x-forwarded-host", host).split(",")[0].strip()
    try:
        return str(URL.build(scheme="https" if scheme == "https" else "http", authority=host).origin())
    except ValueError:
        _, port, *_ = request.get_extra_info("sockname", ("", request.app[SETTINGS].current.api_port))
        return f"http://localhost:{port}"
