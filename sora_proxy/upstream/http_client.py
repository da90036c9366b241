"""HttpClient: makes the HTTP calls of the back ends that use aiohttp.

The client knows whether a failed call was sent, and raises a Fault accordingly. Each order has its own connection: if a
server closed an idle connection while an order was being sent on it, the outcome of the order would be unknown.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError
from yarl import URL

from sora_proxy.errors import (
    EgressFault,
    Fault,
    ResultRefused,
    ServerUnreachable,
    SubmissionUnknown,
    UpstreamUnavailable,
)
from sora_proxy.foreign.public_http import PublicResolver
from sora_proxy.settings.accounts import Proxy

CONNECT_SECONDS = 10.0
SOCKS_ERRORS = (ProxyError, ProxyConnectionError, ProxyTimeoutError)
CLOSE_SECONDS, PING_SECONDS = 5.0, 20.0  # the time limit for closing a WebSocket, and the interval of its pings
IDLE_SECONDS = 3.0  # less than the 5 s after which some servers close idle connections


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `seconds` is the deadline of the whole call; None: the caller ends the call.

    `is_order`: whether the call may have to be paid for once it is sent. `public_only`: whether every IP address of the
    URL's host has to be public.
    """

    method: str
    url: str
    egress: Proxy | None
    seconds: float | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_order: bool = False
    public_only: bool = False


class HttpClient:
    """Makes calls, any number at a time. An answer has to be read inside the block of its context manager."""

    def __init__(self) -> None:
        # All the mutable state: the sessions by egress, by whether they are for orders, and by whether they connect
        # only to public addresses.
        self._sessions: dict[tuple[Proxy | None, bool, bool], aiohttp.ClientSession] = {}

    @contextlib.asynccontextmanager
    async def answer(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a call. Redirects are not followed.

        Raises EgressFault or ServerUnreachable if nothing was sent, else SubmissionUnknown for an order and
        UpstreamUnavailable for any other call. Raises ResultRefused if the host has to be public and is not.
        """
        progress = SimpleNamespace(sent=False)
        try:
            async with (
                asyncio.timeout(call.seconds),
                self._session(call).request(
                    call.method,
                    URL(call.url, encoded=True),
                    data=call.body,
                    headers=call.headers,
                    proxy=_http_proxy(call.egress),
                    proxy_auth=_proxy_auth(call.egress),
                    allow_redirects=False,
                    trace_request_ctx=progress,
                ) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, *SOCKS_ERRORS, TimeoutError, OSError) as error:
            raise _fault_of(call, error, sent=progress.sent) from error

    @contextlib.asynccontextmanager
    async def socket(self, call: Call, *, max_frame: int) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket to the address of a call. The call's `seconds` limit only the time to open the socket. When the
        block ends, the socket is closed, and the other side has a limited time to confirm that.

        Pings show whether the connection still works; a frame of more than `max_frame` bytes breaks it. Raises Fault if
        the socket can't be opened, or breaks.
        """
        try:
            async with asyncio.timeout(call.seconds):
                socket = await self._session(call).ws_connect(
                    URL(call.url, encoded=True),
                    headers=call.headers,
                    proxy=_http_proxy(call.egress),
                    proxy_auth=_proxy_auth(call.egress),
                    heartbeat=PING_SECONDS,
                    max_msg_size=max_frame,
                )
            try:
                yield socket
            finally:
                await _end(socket)
        except (aiohttp.ClientError, *SOCKS_ERRORS, TimeoutError, OSError) as error:
            raise _fault_of(call, error, sent=True) from error

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def _session(self, call: Call) -> aiohttp.ClientSession:
        kind = call.egress, call.is_order, call.public_only and call.egress is None
        if kind not in self._sessions:
            self._sessions[kind] = _new_session(*kind)
        return self._sessions[kind]


def _new_session(egress: Proxy | None, is_order: bool, public_only: bool) -> aiohttp.ClientSession:
    bounds: dict[str, Any] = {"limit": 0, "force_close": is_order} | (
        {} if is_order else {"keepalive_timeout": IDLE_SECONDS}
    )
    if egress is not None and _is_socks(egress):
        connector: aiohttp.BaseConnector = ProxyConnector.from_url(
            egress.address.replace("socks5h", "socks5"), rdns=True, **bounds
        )
    elif public_only:
        connector = aiohttp.TCPConnector(resolver=PublicResolver(ResultRefused), use_dns_cache=False, **bounds)
    else:
        connector = aiohttp.TCPConnector(**bounds)
    traces = aiohttp.TraceConfig()
    traces.on_request_headers_sent.append(_note_sent)
    traces.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=False,
        skip_auto_headers=("user-agent",),
        trace_configs=[traces],
    )


async def _end(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close a WebSocket, whatever the server does. aiohttp's own time limit for this restarts with each frame, and a
    server may never stop sending. Then shut the connection down, because data that the server does not read would
    otherwise keep it open forever."""
    connection = socket.get_extra_info("socket")
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await socket.close()
    finally:
        if connection is not None:
            with contextlib.suppress(OSError):  # the socket is closed already
                connection.shutdown(SHUT_RDWR)


async def _note_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: Any) -> None:
    if context.trace_request_ctx is not None:  # calls that open a WebSocket have no trace context
        context.trace_request_ctx.sent = True


async def _refuse_redirect(_session: aiohttp.ClientSession, _context: SimpleNamespace, _parameters: Any) -> None:
    """Refuse redirects when a WebSocket is opened, because its headers are only for the original address. Other calls
    never follow redirects."""
    raise aiohttp.ClientConnectionError("the WebSocket was redirected")


def _is_socks(egress: Proxy) -> bool:
    return egress.url.startswith("socks")


def _http_proxy(egress: Proxy | None) -> str | None:
    return egress.url if egress is not None and not _is_socks(egress) else None


def _proxy_auth(egress: Proxy | None) -> aiohttp.BasicAuth | None:
    if egress is None or _is_socks(egress) or not (egress.user or egress.password):
        return None
    return aiohttp.BasicAuth(egress.user or "", egress.password.get_secret_value() if egress.password else "")


def refused_on_the_way(status: int, headers: Mapping[str, str], egress: Proxy | None) -> EgressFault | None:
    """The fault if an answer is not from the back end, because the egress or a server in front of the back end refused
    the call; None for all other answers."""
    if status != 407 and headers.get("cf-mitigated") != "challenge":
        return None
    code = "upstream_proxy" if status == 407 else "upstream_challenge"
    return EgressFault("Something between the egress and the back end refused the call.", egress=egress, code=code)


def _fault_of(call: Call, error: Exception, *, sent: bool) -> Fault:
    through_proxy = isinstance(error, (*SOCKS_ERRORS, aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError))
    if through_proxy or (call.egress is not None and not sent):
        return EgressFault("The connection through the proxy failed.", code="upstream_proxy", egress=call.egress)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ServerUnreachable("The back end can't be reached: its host name can't be resolved.")
    if not sent:
        return ServerUnreachable("The back end can't be reached.")
    if call.is_order:
        return SubmissionUnknown("The back end did not answer the order.")
    return UpstreamUnavailable("The back end did not answer a call.")
