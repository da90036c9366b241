"""Connections: those of one way out, straight or through a proxy, shared by all sessions that take it.

Each tells the current call on which socket it is and when something of its request goes out. That moment decides
whether a paid order may be sent again, so it is seen where it happens, not told from exceptions. The credentials of a
proxy travel apart from its address, for exceptions print addresses.
"""

import base64
import socket
import ssl
from typing import Any

import socks
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection, SOCKSProxyManager

from sora_proxy.egress import Proxy
from sora_proxy.upstream.http_call import CallFailed, current

KEPT_CONNECTIONS = 64


class Connections(HTTPAdapter):
    """The connections by one way out, kept for the next call, whoever makes it."""

    def __init__(self, proxy: Proxy | None, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=KEPT_CONNECTIONS)
        self.proxies = {"http": proxy.url, "https": proxy.url} if proxy else {}  # as a session wants to be told
        if proxy is not None:
            self.proxy_manager[proxy.url] = _through(proxy, context)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = DIRECT

    def proxy_manager_for(self, *_: Any, **__: Any) -> urllib3.PoolManager:
        """The only one, however a library spells its address."""
        (manager,) = self.proxy_manager.values()
        return manager  # type: ignore[no-any-return]

    def cert_verify(self, conn: Any, _url: str, _verify: object, _cert: object) -> None:
        """Check certificates, against the CAs that the context holds already: no bundle is read per connection."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
        conn.ca_cert_dir = None


def _through(proxy: Proxy, context: ssl.SSLContext) -> urllib3.PoolManager:
    password = proxy.password.get_secret_value() if proxy.password else ""
    options: dict[str, Any] = {"ssl_context": context, "maxsize": KEPT_CONNECTIONS}
    manager: urllib3.PoolManager
    if proxy.url.startswith("socks"):
        manager = SOCKSProxyManager(proxy.url, proxy.user, password or None, **options)
        manager.pool_classes_by_scheme = BY_SOCKS
        return manager
    login = base64.b64encode(f"{proxy.user}:{password}".encode()).decode()
    headers = {"proxy-authorization": f"Basic {login}"} if proxy.user else {}
    manager = urllib3.ProxyManager(proxy.url, proxy_headers=headers, proxy_ssl_context=context, **options)
    manager.pool_classes_by_scheme = DIRECT
    return manager


class _Tracked:
    """Tells the current call what its connection does."""

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        _hold(sock)
        return sock

    def connect(self) -> None:
        current.call.connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            current.call.sent = False  # only a proxy was talked to so far
        current.call.connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.sock is not None:
            current.call.hold(self.sock)
            current.call.sent = True
        super().send(data)  # type: ignore[misc]


class _TrackedThroughSocks(_Tracked):
    """urllib3's own gets its socket only when the proxy has opened the way: nothing could end that earlier."""

    host: str
    port: int
    timeout: float | None
    _socks_options: Any

    def _new_conn(self) -> socket.socket:
        host, port = self._socks_options["proxy_host"].strip("[]"), self._socks_options["proxy_port"]
        user, password = self._socks_options["username"], self._socks_options["password"]
        failure = OSError("the proxy has no address")
        for family, kind, protocol, _, _ in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socks.socksocket(family, kind, protocol)
            sock.set_proxy(socks.SOCKS5, host, port, True, user, password)
            sock.settimeout(self.timeout)
            _hold(sock)
            try:
                sock.connect((self.host, self.port))
            except OSError as error:
                failure = error
                sock.close()
                current.call.release()
            else:
                return sock  # type: ignore[no-any-return]
        raise failure


def _hold(sock: socket.socket) -> None:
    """Let the current call have the socket, unless it has been ended meanwhile."""
    current.call.hold(sock)
    if current.call.aborted:
        sock.close()
        raise CallFailed("no connection in time", sent=False, proxy=current.call.egress.proxy is not None)


class _Connection(_Tracked, HTTPConnection):
    pass


class _TlsConnection(_Tracked, HTTPSConnection):
    pass


class _SocksConnection(_TrackedThroughSocks, SOCKSConnection):
    pass


class _TlsSocksConnection(_TrackedThroughSocks, SOCKSHTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _SocksPool(HTTPConnectionPool):
    ConnectionCls = _SocksConnection


class _TlsSocksPool(HTTPSConnectionPool):
    ConnectionCls = _TlsSocksConnection


DIRECT: dict[str, Any] = {"http": _Pool, "https": _TlsPool}
BY_SOCKS: dict[str, Any] = {"http": _SocksPool, "https": _TlsSocksPool}
