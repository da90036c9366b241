"""Results: brings finished images from the back end to our disk."""

import asyncio
from collections.abc import Sequence

import structlog

from sora_proxy.errors import EgressFault, Fault, StorageUnavailable
from sora_proxy.events import Image
from sora_proxy.generation import Asset, Generation, State
from sora_proxy.media.image_files import Media, NotAnImage
from sora_proxy.scheduling.key_pool import KeyPool
from sora_proxy.scheduling.keys import Key
from sora_proxy.upstream import Upstream

log = structlog.get_logger(__name__)

MAX_FETCHES = 3
STORAGE_RETRY_SECONDS = 1.0


class Results:
    """Fetches the images of tasks that are done. It has no state."""

    def __init__(self, upstream: Upstream, keys: KeyPool, media: Media) -> None:
        self._upstream = upstream
        self._keys = keys
        self._media = media

    async def image(self, generation: Generation, index: int) -> Image | None:
        """Keep one result here. If it can't be fetched, return its address at the back end, for the image is paid for;
        None if no client can use that address."""
        asset = generation.state.assets[index]
        name = await (self._stored if asset.file else self._fetched)(generation, index)
        if name is None and (asset.ours_only or not asset.url):
            return None
        return Image(index, name=name, url=None if name else asset.url)

    async def _stored(self, generation: Generation, index: int) -> str | None:
        """The name of a result that arrived as bytes. There is nowhere to fetch it again: a full disk is waited for."""
        spec, file = generation.spec, generation.state.assets[index].file or ""
        while True:
            try:
                return await self._media.keep_stored(file, spec.format, spec.compression)
            except NotAnImage as error:
                log.warning("result is not an image", index=index, reason=str(error))
                return None
            except StorageUnavailable as error:
                log.warning("storage unavailable, waiting for it", reason=str(error))
                await asyncio.sleep(STORAGE_RETRY_SECONDS)

    async def _fetched(self, generation: Generation, index: int) -> str | None:
        spec, done = generation.spec, generation.state
        asset, key = done.assets[index], self._keys.get(done.key_id or "")
        if key is None:  # it was removed, and with it the egress for its images
            return None
        for attempt in range(MAX_FETCHES):
            if attempt:
                asset = await self._fresh(done, index, key) or asset
            download = self._media.new_download()
            try:
                await self._upstream.fetch(asset, self._keys.account(key), download)
                return await self._media.keep_result(download, spec.format, spec.compression)
            except (Fault, NotAnImage, StorageUnavailable) as error:
                log.warning("image not fetched", index=index, attempt=attempt + 1, reason=str(error))
                await self._media.discard(download)
                if isinstance(error, EgressFault):  # the next attempt uses another egress, if there is one
                    self._keys.report(key, error)
        return None

    async def _fresh(self, done: State, index: int, key: Key) -> Asset | None:
        """The same result under a new address: the old one may have expired."""
        task_id = done.task_id or ""
        try:
            snapshot = (await self._upstream.poll([task_id], self._keys.account(key), deep=True)).get(task_id)
        except Fault:
            return None
        return _again(snapshot.assets, done.assets, index) if snapshot else None


def _again(now: Sequence[Asset], before: Sequence[Asset], index: int) -> Asset | None:
    """A result as it is listed now: found by its id, else by its place, if their number did not change."""
    wanted = before[index].id
    if wanted is not None:
        return next((asset for asset in now if asset.id == wanted), None)
    return now[index] if len(now) == len(before) else None
