"""The images that come with an order, as data URIs, addresses or uploads. The images are checked, and stored as
files."""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web
from pybase64 import b64decode

from sora_proxy.api.http.context import FETCHER, MEDIA, SETTINGS, THREADS
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.blocking import Work
from sora_proxy.foreign.public_http import AddressRefused
from sora_proxy.media.image_files import NotAnImage
from sora_proxy.spec import GenerationSpec


@dataclass(frozen=True, slots=True)
class InputSource:
    """The source of an image (a data URI, an http(s) address or an uploaded file), and the parameter that named it."""

    source: str | Path
    param: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """The reference images of an order, in sequence, and its mask."""

    references: Sequence[InputSource] = ()
    mask: InputSource | None = None

    @property
    def all(self) -> list[InputSource]:
        return [*self.references, *([self.mask] if self.mask else [])]

    def named(self, spec: GenerationSpec, names: Sequence[str]) -> GenerationSpec:
        """The spec with the names of its stored images; the mask's name is the last one."""
        return replace(spec, images=tuple(names[: len(self.references)]), mask=names[-1] if self.mask else None)


async def store_inputs(request: web.Request, inputs: Inputs) -> list[str]:
    """Store all images of an order, one after the other, since they may be large; returns their names.

    Raises ClientError or StorageUnavailable. After an error, no image is stored.
    """
    names: list[str] = []
    try:
        for each in inputs.all:
            names += [await _store(request, each)]
    except BaseException:
        await discard_inputs(request, names)
        raise
    return names


async def discard_inputs(request: web.Request, names: Sequence[str]) -> None:
    """Remove the stored images of an order that was not accepted."""
    media = request.app[MEDIA]
    for name in names:
        await media.discard(media.input_path(name))


async def _store(request: web.Request, given: InputSource) -> str:
    media, source = request.app[MEDIA], given.source
    try:
        if isinstance(source, Path):
            return await media.keep_upload(source)
        return await media.keep_input(await _content(request, source))
    except (AddressRefused, NotAnImage) as error:
        noun = "mask" if "mask" in given.param else "reference image"
        raise ClientError(f"The {noun} can't be used: {error}.", code="invalid_image", param=given.param) from error


async def _content(request: web.Request, source: str) -> bytes:
    if source.startswith("data:"):
        return await request.app[THREADS].run(Work.media, _decode, source)
    if request.app[SETTINGS].current.image_input == "off":
        raise AddressRefused("this server accepts images as data URIs only, not by address")
    return await request.app[FETCHER].fetch(source)


def _decode(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise NotAnImage("its data URI must be base64")
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAnImage("its base64 is damaged") from error
