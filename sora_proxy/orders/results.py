"""Results: the transfer of finished images from the back end to this server's disk."""

import asyncio
from collections.abc import Sequence

import structlog

from sora_proxy.errors import EgressFault, Fault, ResultRefused, StorageUnavailable, TaskFailed
from sora_proxy.events import Image
from sora_proxy.foreign.addresses import plain_address
from sora_proxy.generation import Asset, Generation
from sora_proxy.media.image_files import Media, NotAnImage
from sora_proxy.orders.recorder import retry_until_stored
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Upstream

log = structlog.get_logger(__name__)

MAX_FETCHES = 3


class Results:
    """Fetches the images of tasks that are done. It has no state."""

    def __init__(self, upstream: Upstream, keys: KeyPool, media: Media) -> None:
        self.upstream = upstream
        self._keys = keys
        self._media = media

    async def images(self, generation: Generation, *, store: bool) -> list[Image]:
        """The usable results, stored here or as links, and at most as many as were ordered.

        They are fetched at the same time. Raises TaskFailed if none is usable.
        """
        wanted = [index for index in generation.state.results if index < generation.spec.n]
        images = await asyncio.gather(*(self._image(generation, index, store=store) for index in wanted))
        if not any(images):
            raise TaskFailed(
                "The images can't be fetched from the back end, or their addresses are not allowed.",
                code="result_unavailable",
            )
        return [image for image in images if image]

    async def _image(self, generation: Generation, index: int, *, store: bool) -> Image | None:
        asset = generation.state.results[index]
        try:
            if asset.file:
                return await self._from_file(generation, index)
            return await (self._stored if store or asset.ours_only else self._linked)(generation, index)
        except ResultRefused as error:
            log.warning("result address refused", index=index, host=error.host, reason=str(error))
        except Exception:
            # A bug in the handling of one image must not cost the others of the order, which are paid for.
            log.exception("fetching result crashed", index=index)
        return None

    async def _from_file(self, generation: Generation, index: int) -> Image | None:
        """Store a result that arrived as bytes. It can't be fetched again, so this waits while the disk is full."""
        spec, file = generation.spec, generation.state.results[index].file or ""
        try:
            name = await retry_until_stored(lambda: self._media.keep_stored(file, spec.format, spec.compression))
        except NotAnImage as error:
            log.warning("result is not an image", index=index, reason=str(error))
            return None
        return Image(index, name=name)

    async def _linked(self, generation: Generation, index: int) -> Image | None:
        asset = generation.state.results[index]
        return await self._link(asset, index, self._key(generation, asset))

    def _key(self, generation: Generation, asset: Asset) -> Key | None:
        """The key with which a result was made; None if it was removed."""
        return self._keys.get(asset.key_id or generation.state.key_id or "")

    async def _link(self, asset: Asset, index: int, key: Key | None) -> Image | None:
        """A link to the image at the back end; None if clients can't fetch it there. Raises ResultRefused."""
        if asset.ours_only:
            return None
        if (url := plain_address(asset.url)) is None:
            log.warning("result address unusable", index=index)
            return None
        await self.upstream.check_link(asset, self._keys.account(key) if key else None)
        return Image(index, url=url)

    async def _stored(self, generation: Generation, index: int) -> Image | None:
        """Fetch one result. If that fails, return its address at the back end, since the image is paid for.

        Raises ResultRefused.
        """
        spec, asset = generation.spec, generation.state.results[index]
        key = self._key(generation, asset)
        if key is None:  # the key was removed, and with it the egress for its images
            return await self._link(asset, index, key)
        for attempt in range(MAX_FETCHES):
            if attempt:
                asset = await self._fresh(generation, index, key) or asset
            download = self._media.new_download()
            try:
                await self.upstream.fetch(asset, self._keys.account(key), download)
                return Image(index, name=await self._media.keep_result(download, spec.format, spec.compression))
            except ResultRefused:
                raise
            except (Fault, NotAnImage, StorageUnavailable) as error:
                log.warning("fetching result failed", index=index, attempt=attempt + 1, reason=str(error))
                await self._media.discard(download)
                if isinstance(error, EgressFault):  # the next attempt uses another egress, if there is one
                    self._keys.report(key, error)
        return await self._link(asset, index, key)

    async def _fresh(self, generation: Generation, index: int, key: Key) -> Asset | None:
        """The same result with a new address, since the old one may have expired; None if it is not listed."""
        before, task_id = generation.state.assets, generation.state.task_id or ""
        try:
            snapshot = (await self.upstream.poll([task_id], self._keys.account(key), deep=True)).get(task_id)
        except Fault:
            return None
        return _relisted(snapshot.assets[: generation.spec.n], before, index) if snapshot else None


def _relisted(now: Sequence[Asset], before: Sequence[Asset], index: int) -> Asset | None:
    """A result as it is listed now: found by its id, else by its place if the number of results is the same."""
    wanted = before[index].id
    if wanted is not None:
        return next((asset for asset in now if asset.id == wanted), None)
    return now[index] if len(now) == len(before) else None
