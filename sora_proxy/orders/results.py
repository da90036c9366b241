"""Results: fetches finished images from the back end and stores them on disk, or returns links to them."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from sora_proxy.errors import EgressFault, Fault, ResultRefused, StorageUnavailable, TaskFailed, UpstreamUnavailable
from sora_proxy.event_log import Image
from sora_proxy.foreign.addresses import plain_address
from sora_proxy.generation import Asset, Generation
from sora_proxy.media.image_files import Media, NotAnImage
from sora_proxy.orders.recorder import retry_until_stored
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Upstream

log = structlog.get_logger(__name__)

MAX_FETCHES = 3  # an image that is damaged or gone is fetched this many times
PATIENCE_SECONDS = 60.0  # how long fetches from a failing back end are repeated: a restart takes half a minute
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 16.0  # the pause before an image is fetched again
UNREADABLE = "The images from the back end can't be fetched or read."
REFUSED = "The images from the back end are at addresses that are not allowed."


class Results:
    """Fetches the images of finished tasks. This class has no state."""

    def __init__(self, upstream: Upstream, keys: KeyPool, media: Media) -> None:
        self.upstream = upstream
        self._keys = keys
        self._media = media

    async def images(self, generation: Generation, *, store: bool) -> list[Image]:
        """The usable results as stored images or as links, at most as many as were requested. All results are fetched
        at the same time. Raises TaskFailed if no result is usable."""
        wanted = [index for index in generation.state.results if index < generation.spec.n]
        found = await asyncio.gather(*(self._image(generation, index, store=store) for index in wanted))
        images = [each for each in found if isinstance(each, Image)]
        if not images:
            reasons = dict.fromkeys(each for each in found if isinstance(each, str))
            raise TaskFailed(" ".join(reasons), code="result_unavailable")
        return images

    async def _image(self, generation: Generation, index: int, *, store: bool) -> Image | str:
        """One of the images, or the reason why it is missing, as a message to clients."""
        asset = generation.state.results[index]
        try:
            if asset.file:
                return await self._from_file(generation, index)
            return await (self._stored if store or asset.ours_only else self._linked)(generation, index)
        except ResultRefused as error:
            log.warning("result address refused", index=index, host=error.host, reason=str(error))
            return REFUSED
        except Exception:
            # A bug in the handling of one image must not discard the other images of the order, which are paid for.
            log.exception("fetching result crashed", index=index)
            return UNREADABLE

    async def _from_file(self, generation: Generation, index: int) -> Image | str:
        """Store a result that arrived as bytes. Since it can't be fetched again, this method waits while the disk is
        full."""
        spec, file = generation.spec, generation.state.results[index].file or ""
        try:
            name = await retry_until_stored(lambda: self._media.keep_stored(file, spec.format, spec.compression))
        except NotAnImage as error:
            log.warning("result is not an image", index=index, reason=str(error))
            return UNREADABLE
        return Image(index, name=name)

    async def _linked(self, generation: Generation, index: int) -> Image | str:
        asset = generation.state.results[index]
        return await self._link(asset, index, self._key(generation, asset))

    def _key(self, generation: Generation, asset: Asset) -> Key | None:
        """The key with which a result was made; None if that key was removed."""
        return self._keys.get(asset.key_id or generation.state.key_id or "")

    async def _link(self, asset: Asset, index: int, key: Key | None) -> Image | str:
        """A link to the image at the back end, or a message if clients can't fetch it there. Raises ResultRefused."""
        if asset.ours_only:
            return UNREADABLE
        if (url := plain_address(asset.url)) is None:
            log.warning("result address unusable", index=index)
            return REFUSED
        await self.upstream.check_link(asset, self._keys.account(key) if key else None)
        return Image(index, url=url)

    async def _stored(self, generation: Generation, index: int) -> Image | str:
        """Fetch one result. If that fails, return a link to the back end, since the image has been paid for.

        Raises ResultRefused.
        """
        asset = generation.state.results[index]
        key = self._key(generation, asset)
        if key is None:  # the key was removed, so the egress for its images is unknown
            return await self._link(asset, index, key)
        attempts = _Attempts()
        while True:
            try:
                return Image(index, name=await self._fetched(generation, asset, key))
            except ResultRefused:
                raise
            except (Fault, NotAnImage, StorageUnavailable) as error:
                pause = attempts.pause_after(error)
                log.warning("fetching result failed", index=index, attempt=attempts.count, reason=str(error))
                if isinstance(error, EgressFault):  # the next attempt uses another egress, if there is one
                    self._keys.report(key, error)
            if pause is None or not await _still_wanted(generation, pause):
                return await self._link(asset, index, key)
            asset = await self._fresh(generation, index, key) or asset

    async def _fetched(self, generation: Generation, asset: Asset, key: Key) -> str:
        """The name of the stored image. Raises Fault, NotAnImage or StorageUnavailable."""
        spec, download = generation.spec, self._media.new_download()
        try:
            await self.upstream.fetch(asset, self._keys.account(key), download)
            return await self._media.keep_result(download, spec.format, spec.compression)
        except (Fault, NotAnImage, StorageUnavailable):
            await self._media.discard(download)
            raise

    async def _fresh(self, generation: Generation, index: int, key: Key) -> Asset | None:
        """The same result with a new address, since the old one may have expired; None if the result is not found."""
        before, task_id = generation.state.assets, generation.state.task_id or ""
        try:
            snapshot = (await self.upstream.poll([task_id], self._keys.account(key), deep=True)).get(task_id)
        except Fault:
            return None
        return _relisted(snapshot.assets[: generation.spec.n], before, index) if snapshot else None


class _Attempts:
    """The failed attempts to fetch one image."""

    def __init__(self) -> None:
        # All the mutable state: the number of attempts, how many of them found the image damaged or gone, the next
        # pause, and the deadline.
        self.count = 0
        self._bad = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._ends_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS

    def pause_after(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None if there will be none."""
        self.count += 1
        self._bad += not _is_trouble(error)
        is_late = asyncio.get_running_loop().time() >= self._ends_at
        if self._bad >= MAX_FETCHES or (is_late and self.count >= MAX_FETCHES):
            return None
        pause, self._pause = self._pause, min(self._pause * 2, MAX_PAUSE_SECONDS)
        return pause


def _is_trouble(error: Exception) -> bool:
    """Whether the error was caused by a server or the connection to it, and not by the image."""
    return isinstance(error, UpstreamUnavailable | EgressFault) and error.code != "result_unavailable"


async def _still_wanted(generation: Generation, seconds: float) -> bool:
    """Wait for this many seconds, or until the order is cancelled. Returns whether the order's images are still
    wanted."""
    if generation.overdue:  # the log has already ended, so the code below does not wait
        await asyncio.sleep(seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await generation.log.end()
    return not generation.cancelled


def _relisted(now: Sequence[Asset], before: Sequence[Asset], index: int) -> Asset | None:
    """The current listing of a result. It is found by its id or, if the number of results has not changed, by its
    index."""
    wanted = before[index].id
    if wanted is not None:
        return next((asset for asset in now if asset.id == wanted), None)
    return now[index] if len(now) == len(before) else None
