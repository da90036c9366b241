"""Downloads: fetches results from their addresses, and writes the bytes to disk as they arrive."""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog
from yarl import URL

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ResultRefused, TaskFailed, UpstreamUnavailable
from sora_proxy.foreign.addresses import joined_address
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import BackendOptions
from sora_proxy.upstream.http_client import Call, HttpClient
from sora_proxy.upstream.result_addresses import ResultAddresses, look_up

log = structlog.get_logger(__name__)

MAX_IMAGE_BYTES = 64 * 2**20
MAX_REDIRECTS = 3
PIECE_BYTES = 2**18  # bytes that are written to disk in one step
DISK_RETRY_SECONDS = 1.0
REDIRECTS = (301, 302, 303, 307, 308)
TRY_LATER = (408, 425, 429)  # like 5xx, these statuses say nothing about the file itself


class FileSink:
    """Writes bytes to a new file as they arrive, on threads. The file is complete after `close`.

    If the disk refuses the bytes, they are written again and again until this succeeds, while the sender waits: the
    image may already be paid for, and the back end does not send it a second time.
    """

    def __init__(self, path: Path, threads: BlockingPool) -> None:
        self.path = path
        self._threads = threads
        # All the mutable state: the bytes that are not on disk yet, and the numbers of bytes on disk and in total.
        self._waiting = bytearray()
        self._written = 0
        self._size = 0

    async def write(self, content: bytes) -> None:
        """Raises TaskFailed if there are more bytes than an image may have."""
        self._size += len(content)
        if self._size > MAX_IMAGE_BYTES:
            raise TaskFailed("An image from the back end is too large.", code="result_unavailable")
        self._waiting += content
        if len(self._waiting) >= PIECE_BYTES:
            await self.close()

    async def close(self) -> None:
        content, self._waiting = bytes(self._waiting), bytearray()
        write = functools.partial(_write, self.path, self._written, content)
        while (refusal := await self._threads.run(Work.download, write)) is not None:
            log.warning("writing image failed, retrying", reason=refusal)
            await asyncio.sleep(DISK_RETRY_SECONDS)
        self._written += len(content)


class NoSink:
    """Drops the bytes of images that were not requested, up to the maximum size of one image."""

    def __init__(self) -> None:
        self._size = 0

    async def write(self, content: bytes) -> None:
        """Raises TaskFailed if there are more bytes than an image may have."""
        self._size += len(content)
        if self._size > MAX_IMAGE_BYTES:
            raise TaskFailed("The back end's answer is too large.", code="result_unavailable")


def _write(path: Path, at: int, content: bytes) -> str | None:
    """Write to a file from position `at` on, over anything that a failed attempt left there. Returns the reason if this
    fails, else None."""
    try:
        with path.open("r+b" if at else "wb", buffering=0) as file:
            file.seek(at)
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
    except OSError as error:
        return error.strerror or "error"
    return None


class Downloads:
    """Fetches results from addresses that are allowed. The key is sent only to the back end's own origin."""

    def __init__(self, options: BackendOptions, http: HttpClient, threads: BlockingPool) -> None:
        self._addresses = ResultAddresses(options.base_url, options.result_allow)
        self._base_url = options.base_url
        self._seconds = options.deadlines.download
        self._http = http
        self._threads = threads

    async def fetch(self, asset: Asset, account: Account, destination: Path, headers: Mapping[str, str]) -> None:
        """Fetch a result into a file. `headers` contain the key.

        Raises ResultRefused for an address that must not be fetched, or another Fault if the call failed. The code of
        the fault is `result_unavailable` if the image is bad or gone.
        """
        call = Call("GET", asset.url, account.egress, self._seconds, {"accept": "image/*"})
        for _ in range(MAX_REDIRECTS + 1):
            public = self._addresses.must_be_public(call.url, account)
            key = headers if self._is_own(call.url, account) else {}
            call = replace(call, public_only=public, headers={"accept": "image/*", **key})
            location = await self._fetch_once(call, destination)
            if location is None:
                return
            call = replace(call, url=location)
        raise UpstreamUnavailable("A finished image was redirected too many times.", code="result_unavailable")

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        """Check that the address of a result may be shown to clients. Raises ResultRefused."""
        if self._addresses.must_be_public(asset.url, account) and (account is None or account.egress is None):
            await self._threads.run(Work.download, look_up, asset.url)

    def _is_own(self, url: str, account: Account) -> bool:
        return URL(url).origin() == URL(account.base_url or self._base_url).origin()

    async def _fetch_once(self, call: Call, destination: Path) -> str | None:
        """Write the answer to the file. Returns the new address if the answer is a redirect."""
        async with self._http.answer(call) as answer:
            if answer.status in REDIRECTS:
                location = joined_address(call.url, answer.headers.get("location", ""))
                if location is None:
                    raise ResultRefused("an address that is not http or https")
                return location
            if answer.status != 200:
                raise unfetched(answer.status)
            sink = FileSink(destination, self._threads)
            async for piece in answer.content.iter_any():
                await sink.write(piece)
            await sink.close()
            return None


def unfetched(status: int) -> UpstreamUnavailable:
    """The fault of an answer that does not contain the image."""
    message = f"A finished image could not be fetched. Its server answered with status {status}."
    if status >= 500 or status in TRY_LATER:
        return UpstreamUnavailable(message)
    return UpstreamUnavailable(message, code="result_unavailable")
