"""Connections: a pool of connections through one egress (direct or a proxy), which all sessions on that egress share.

Each connection reports its socket to the current call, and also reports when the call begins to send its request. A
paid order may be sent again only if nothing of it was sent, so this is observed here rather than guessed from
exceptions. The credentials of a proxy are kept apart from its address, because exceptions print addresses.
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
from urllib3.exceptions import NewConnectionError

from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream.heads import BoundedHead
from sora_proxy.upstream.http_call import CallFailed, current
from sora_proxy.upstream.result_addresses import check_public

MAX_IDLE_CONNECTIONS = 64


class Connections(HTTPAdapter):
    """The connections of one egress. An idle connection can be reused by a call of any session."""

    def __init__(self, proxy: Proxy | None, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=MAX_IDLE_CONNECTIONS)
        self.proxies = {"http": proxy.url, "https": proxy.url} if proxy else {}  # in the form that sessions expect
        if proxy is not None:
            self.proxy_manager[proxy.url] = _through(proxy, context)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = DIRECT

    def proxy_manager_for(self, *_: Any, **__: Any) -> urllib3.PoolManager:
        """The manager for the only proxy. The address is ignored, because libraries spell it in different ways."""
        (manager,) = self.proxy_manager.values()
        return manager  # type: ignore[no-any-return]

    def cert_verify(self, conn: Any, _url: str, _verify: object, _cert: object) -> None:
        """Check certificates against the CAs in the context, so that the CA bundle is not read for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
        conn.ca_cert_dir = None


def _through(proxy: Proxy, context: ssl.SSLContext) -> urllib3.PoolManager:
    password = proxy.password.get_secret_value() if proxy.password else ""
    options: dict[str, Any] = {"ssl_context": context, "maxsize": MAX_IDLE_CONNECTIONS}
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
    """A connection that reports its socket and its state to the current call."""

    response_class: Any = BoundedHead

    host: str
    port: int
    sock: socket.socket | None
    timeout: float | None
    socket_options: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers.

        urllib3's own method returns the socket only after it is connected, which can take long for a name with many
        addresses. Until then, the call could not be ended. Raises ResultRefused if the call must reach only public
        addresses, and one of the addresses is not public.
        """
        failure = OSError("the host name can't be resolved")
        addresses = socket.getaddrinfo(*self._peer(), socket.AF_UNSPEC, socket.SOCK_STREAM)
        if current.call.public_only and current.call.egress is None:
            check_public(f"{self.host}:{self.port}", addresses)  # the connection goes to these addresses and no others
        for family, kind, protocol, _, address in addresses:
            try:
                return self._connected(*self._open(family, kind, protocol, address))
            except OSError as error:
                failure = error
        # urllib3 ignores some kinds of OSError, and would continue as if the whole request had been sent.
        raise NewConnectionError(self, "no connection") from failure  # type: ignore[arg-type]

    def _peer(self) -> tuple[str, int]:
        """The host and port to which the socket connects."""
        return self._dns_host.strip("[]"), self.port

    def _open(self, family: int, kind: int, protocol: int, address: Any) -> tuple[socket.socket, Any]:
        """Create a socket. Returns it together with the address to pass to `connect`."""
        return socket.socket(family, kind, protocol), address

    def _connected(self, sock: socket.socket, destination: Any) -> socket.socket:
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(self.timeout)
            _hold(sock)
            sock.connect(destination)
            _hold(sock)
        except OSError:
            sock.close()
            current.call.release()
            raise
        return sock

    def connect(self) -> None:
        current.call.connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            current.call.sent = False  # so far, bytes were sent only to the proxy
        current.call.connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.sock is not None:
            _hold(self.sock)
            current.call.sent = True
        super().send(data)  # type: ignore[misc]


class _TrackedThroughSocks(_Tracked):
    _socks_options: Any

    def _peer(self) -> tuple[str, int]:
        return self._socks_options["proxy_host"].strip("[]"), self._socks_options["proxy_port"]

    def _open(self, family: int, kind: int, protocol: int, _address: Any) -> tuple[socket.socket, Any]:
        user, password = self._socks_options["username"], self._socks_options["password"]
        sock = socks.socksocket(family, kind, protocol)
        sock.set_proxy(socks.SOCKS5, *self._peer(), True, user, password)
        return sock, (self.host, self.port)  # the proxy resolves the host name


def _hold(sock: socket.socket) -> None:
    """Report the socket to the current call. Raises CallFailed if the call was ended before anything was sent."""
    call = current.call
    call.hold(sock)
    if call.aborted and not call.sent:
        sock.close()
        proxied = call.connecting and call.egress is not None
        raise CallFailed("no connection in time", sent=False, proxy=proxied)


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
