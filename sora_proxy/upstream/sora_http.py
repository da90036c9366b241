"""The blocking half of the Sora back end: cloudscraper sessions, one call at a time, on the threads of `BlockingPool`.

What was measured and follows from it: building a scraper costs 30-45 ms with a TLS context of its own and 2-3 ms
without, a new TLS connection 34-39 ms if the CA bundle is read again each time. So all scrapers share one context with
the CAs in it and one adapter, which keeps the connections; each key has its own cookies and browser headers.
"""

import contextlib
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import cloudscraper
import requests
import urllib3
from requests.cookies import RequestsCookieJar
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from sora_proxy.errors import StorageUnavailable
from sora_proxy.upstream.http_call import Answer, CallFailed, HttpCall, TrackedConnection, TrackedTlsConnection, current

ANSWER_BYTES = 8 * 2**20
PICTURE_BYTES = 64 * 2**20
CHUNK_BYTES = 64 * 2**10
CONNECT_SECONDS = 10.0
KEPT_CONNECTIONS = 64
BROWSER = {"browser": "chrome", "platform": "windows", "mobile": False}


class SoraHttp:
    """Makes calls. Every method blocks: call it on a thread."""

    def __init__(self, *, proxy_url: str | None = None, proxy_credentials: tuple[str, str] | None = None) -> None:
        self._proxies = {"http": proxy_url, "https": proxy_url} if proxy_url else {}
        self._proxy_credentials = proxy_credentials
        # All the mutable state, built by the first call (it reads the CA bundle), guarded by the lock.
        self._lock = threading.Lock()
        self._adapter: _SharedAdapter | None = None
        self._sessions: defaultdict[str, _KeySessions] = defaultdict(_KeySessions)

    def call(self, call: HttpCall) -> Answer:
        """Send a request and read the whole answer, at most 8 MB (or, for a download, write 64 MB to its file).

        Raises CallFailed.
        """
        scraper = self._take(call.key_id)
        try:
            return _perform(scraper, call, self._proxies)
        finally:
            self._sessions[call.key_id].idle.append(scraper)

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()

    def _take(self, key_id: str) -> cloudscraper.CloudScraper:
        """A session of this key that no other thread uses."""
        with self._lock:
            if self._adapter is None:
                self._adapter = _SharedAdapter(_tls_context(), self._proxy_credentials)
            adapter, sessions = self._adapter, self._sessions[key_id]
            with contextlib.suppress(IndexError):
                return sessions.idle.pop()
        return sessions.build(adapter)  # outside the lock: it takes milliseconds


@dataclass(slots=True)
class _KeySessions:
    """The sessions of one key. They differ in who uses them only: cookies and browser are the key's."""

    cookies: RequestsCookieJar = field(default_factory=RequestsCookieJar)
    browser: dict[str, str] | None = None
    idle: deque[cloudscraper.CloudScraper] = field(default_factory=deque)

    def build(self, adapter: "_SharedAdapter") -> cloudscraper.CloudScraper:
        # Solving challenges is off: it sleeps in the thread and sends the request again by itself, and a paid order
        # must be sent exactly as often as we say. A challenge page comes back to us as what it is.
        scraper = cloudscraper.CloudScraper(ssl_context=adapter.ssl_context, browser=BROWSER, disableCloudflareV1=True)
        if self.browser is None:
            self.browser = dict(scraper.headers)
        scraper.headers.update(self.browser)
        scraper.cookies = self.cookies
        scraper.trust_env = False
        # None is followed, so none is looked at: the library would read a redirect's body, and trip over its address.
        scraper.get_redirect_target = _no_redirect
        scraper.mount("https://", adapter)
        scraper.mount("http://", adapter)
        return scraper


def _no_redirect(_response: requests.Response) -> None:
    return None


def _perform(scraper: cloudscraper.CloudScraper, call: HttpCall, proxies: dict[str, str]) -> Answer:
    current.call = call
    try:
        if call.aborted:
            raise CallFailed("no thread was free in time", sent=False)
        response: requests.Response = scraper.request(
            call.method,
            call.url,
            headers=call.headers,
            proxies=proxies,
            stream=True,
            allow_redirects=False,
            timeout=(min(CONNECT_SECONDS, call.seconds), call.seconds),
            **call.body,
        )
        with response:
            body = _read(response, call.destination)
        if call.aborted:  # a body that ends with its connection looks whole
            raise CallFailed(f"no answer within {call.seconds:g} seconds", sent=True)
        return Answer(response.status_code, response.headers, body)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _failure(error, call) from None
    finally:
        current.call = None
        call.release()


def _read(response: requests.Response, destination: Path | None) -> bytes:
    if destination is None or response.status_code != 200:
        return b"".join(_chunks(response, ANSWER_BYTES))
    chunks = _chunks(response, PICTURE_BYTES)
    try:
        with destination.open("wb") as file:
            file.writelines(chunks)
    except requests.RequestException:  # an OSError too
        raise
    except OSError as error:
        raise StorageUnavailable(f"a picture can't be written: {error.strerror}") from error
    return b""


def _chunks(response: requests.Response, most: int) -> Iterator[bytes]:
    total = 0
    for chunk in response.raw.stream(CHUNK_BYTES, decode_content=True):
        total += len(chunk)
        if total > most:
            raise CallFailed("the answer is too large", sent=True)
        yield chunk


def _failure(error: Exception, call: HttpCall) -> CallFailed:
    """What a library's exception means. Its text stays behind: it may hold addresses and credentials."""
    if not call.sent:
        proxy = isinstance(error, requests.exceptions.ProxyError)
        return CallFailed(
            "the proxy refused or can't be reached" if proxy else "can't connect", sent=False, proxy=proxy
        )
    if call.aborted or isinstance(error, requests.exceptions.Timeout):
        return CallFailed(f"no answer within {call.seconds:g} seconds", sent=True)
    return CallFailed("the connection broke", sent=True)


class _Pool(HTTPConnectionPool):
    ConnectionCls = TrackedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = TrackedTlsConnection


class _SharedAdapter(cloudscraper.CipherSuiteAdapter):  # type: ignore[misc]
    """The connections of all sessions. The proxy's credentials travel in a header, never in an address."""

    def __init__(self, context: ssl.SSLContext, proxy_credentials: tuple[str, str] | None) -> None:
        self._proxy_credentials = proxy_credentials
        super().__init__(ssl_context=context, pool_maxsize=KEPT_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_tracked_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        _use_tracked_pools(manager)
        return manager

    def proxy_headers(self, _proxy: str) -> dict[str, str]:
        if self._proxy_credentials is None:
            return {}
        return urllib3.make_headers(proxy_basic_auth=":".join(self._proxy_credentials))

    def cert_verify(self, conn: Any, _url: str, _verify: object, _cert: object) -> None:
        """Check certificates, against the CAs that the context holds already: no bundle is read per connection."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
        conn.ca_cert_dir = None


def _use_tracked_pools(manager: urllib3.PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def _tls_context() -> ssl.SSLContext:
    """As cloudscraper's own, which imitates a browser's ciphers, with the CAs of the system and of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(cloudscraper.User_Agent(browser=BROWSER).cipherSuite))
    return context
