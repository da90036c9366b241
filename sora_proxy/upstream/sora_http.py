"""Sora HTTP: the blocking half of the Sora back end. It makes calls with cloudscraper on the threads of `BlockingPool`.

In measurements, building a scraper took 30-45 ms with its own TLS context and 2-3 ms without one, and opening a TLS
connection took 34-39 ms if the CA bundle was read each time. So all scrapers share one context with the CAs in it, and
the scrapers of one egress share its connections. Each key has its own cookies and browser headers on each egress.
"""

import contextlib
import io
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import certifi
import cloudscraper
import requests
import urllib3

from sora_proxy.errors import StorageUnavailable, clear_frames
from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream.connections import Connections
from sora_proxy.upstream.cookies import CloudflareCookies
from sora_proxy.upstream.decoding import Undecodable, decoded
from sora_proxy.upstream.http_call import Answer, CallFailed, HttpCall, current

ANSWER_BYTES = 8 * 2**20
IMAGE_BYTES = 64 * 2**20
CHUNK_BYTES = 64 * 2**10
CONNECT_SECONDS = 10.0
BROWSER = {"browser": "chrome", "platform": "windows", "mobile": False}


class SoraHttp:
    """Makes calls. Every method blocks: call it on a thread."""

    def __init__(self) -> None:
        # All the mutable state, guarded by the lock. Each part is built by the first call that needs it.
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._connections: dict[Proxy | None, Connections] = {}
        self._sessions: dict[tuple[str, Proxy | None], _Sessions] = {}

    def call(self, call: HttpCall) -> Answer:
        """Send a request and read the whole answer of at most 8 MB, or write a download of at most 64 MB to its file.

        Raises CallFailed.
        """
        sessions = self._sessions_of(call)
        scraper = sessions.take()
        try:
            answer = _perform(scraper, call)
        finally:
            sessions.idle.append(scraper)
        if answer.is_challenge:
            self._forget(call, sessions)
        return answer

    def close(self) -> None:
        for connections in self._connections.values():
            connections.close()

    def _sessions_of(self, call: HttpCall) -> "_Sessions":
        proxy = call.egress
        with self._lock:
            if self._context is None:
                self._context = _tls_context()  # reads the CA bundle
            if proxy not in self._connections:
                self._connections[proxy] = Connections(proxy, self._context)
            if (call.key_id, proxy) not in self._sessions:
                self._sessions[call.key_id, proxy] = _Sessions(self._connections[proxy], self._context)
            return self._sessions[call.key_id, proxy]

    def _forget(self, call: HttpCall, challenged: "_Sessions") -> None:
        """Drop the sessions that the server took for a robot, so the key's next call on this egress builds new ones.

        The sessions of other keys and egresses remain.
        """
        with self._lock:
            if self._sessions.get((call.key_id, call.egress)) is challenged:
                del self._sessions[call.key_id, call.egress]


@dataclass(slots=True)
class _Sessions:
    """The sessions of one key on one egress, which share cookies and browser headers. A session is used by one thread
    at a time."""

    connections: Connections
    context: ssl.SSLContext
    cookies: CloudflareCookies = field(default_factory=CloudflareCookies)
    browser: dict[str, str] | None = None
    idle: deque[cloudscraper.CloudScraper] = field(default_factory=deque)

    def take(self) -> cloudscraper.CloudScraper:
        """A session that no other thread is using."""
        with contextlib.suppress(IndexError):
            return self.idle.pop()
        return self._build()

    def _build(self) -> cloudscraper.CloudScraper:
        # Solving challenges is off, because the solver sleeps in the thread and repeats the request by itself, and a
        # paid order must not be repeated. A challenge page is returned like any other answer.
        scraper = cloudscraper.CloudScraper(ssl_context=self.context, browser=BROWSER, disableCloudflareV1=True)
        if self.browser is None:
            self.browser = dict(scraper.headers)
        scraper.headers.update(self.browser)
        scraper.cookies = self.cookies
        scraper.trust_env = False
        scraper.proxies = self.connections.proxies
        # No redirect is followed. The library would read the body of the redirect, and would fail if its address were
        # invalid.
        scraper.get_redirect_target = _no_redirect
        scraper.mount("https://", self.connections)
        scraper.mount("http://", self.connections)
        return scraper


def _no_redirect(_response: requests.Response) -> None:
    return None


def _perform(scraper: cloudscraper.CloudScraper, call: HttpCall) -> Answer:
    current.call = call
    try:
        if call.aborted:
            raise CallFailed("no thread was free in time", sent=False)
        response: requests.Response = scraper.request(
            call.method,
            call.url,
            headers={**call.headers, "Accept-Encoding": ", ".join(_encodings(call)) or "identity"},
            stream=True,
            allow_redirects=False,
            timeout=(min(CONNECT_SECONDS, call.seconds), call.seconds),
            **call.body,
        )
        answer = Answer(response.status_code, response.headers, b"")
        with response:
            if answer.is_challenge:  # the page is not needed; an unread answer closes the connection
                return answer
            if answer.status < 200:  # the next call would take the final answer, which may follow, for its own
                raise CallFailed("the answer is not final", sent=True)
            body = _read(response, call)
        if call.aborted:  # a body without a length looks complete after an abort
            raise _too_late(call)
        return replace(answer, body=body)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        clear_frames(error)
        raise _failure(error, call) from None
    finally:
        del current.call
        call.release()


def _read(response: requests.Response, call: HttpCall) -> bytes:
    if call.destination is None or response.status_code != 200:
        body = io.BytesIO()
        body.writelines(_content(response, call, ANSWER_BYTES))
        return body.getvalue()
    try:
        with call.destination.open("wb") as file:
            file.writelines(_content(response, call, IMAGE_BYTES))
    except OSError as error:
        raise StorageUnavailable(f"an image can't be written: {error.strerror}") from error
    return b""


def _content(response: requests.Response, call: HttpCall, max_bytes: int) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "")
    return _at_most(max_bytes, decoded(encoding, _encodings(call), _at_most(max_bytes, _arriving(response, call))))


def _encodings(call: HttpCall) -> tuple[str, ...]:
    """The encodings to request and accept: none for images, else those that a browser requests and Python can
    decode."""
    return () if call.destination else ("gzip", "deflate")


def _arriving(response: requests.Response, call: HttpCall) -> Iterator[bytes]:
    """Yield the body as it arrives, and stop when the call is ended, even if more has arrived."""
    # `read1` is used because `read` and `stream` have a flaw: if the length of a chunk is negative, they return all
    # bytes up to the end of the connection in one piece.
    while not call.aborted and (chunk := response.raw.read1(CHUNK_BYTES, decode_content=False)):
        yield chunk


def _at_most(size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        size -= len(piece)
        if size < 0:
            raise CallFailed("the answer is too large", sent=True)
        yield piece


def _failure(error: Exception, call: HttpCall) -> CallFailed:
    """The CallFailed for a library's exception. It leaves out the exception's text, which may contain addresses and
    credentials."""
    proxied = call.egress is not None
    if not call.sent:
        by_proxy = proxied and call.connecting
        return CallFailed("the proxy did not connect" if by_proxy else "can't connect", sent=False, proxy=by_proxy)
    if call.aborted or isinstance(error, requests.exceptions.Timeout):
        return _too_late(call)
    if isinstance(error, Undecodable):
        return CallFailed(str(error), sent=True)
    return CallFailed("the connection broke", sent=True, proxy=proxied)


def _too_late(call: HttpCall) -> CallFailed:
    return CallFailed(f"no answer within {call.seconds:g} seconds", sent=True)


def _tls_context() -> ssl.SSLContext:
    """A context like cloudscraper's own, with a browser's ciphers, and with the CAs of the system and of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(cloudscraper.User_Agent(browser=BROWSER).cipherSuite))
    return context
