"""Reference images: from a data URI, an address or an upload to a checked file of ours."""

import binascii
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pybase64 import b64decode

from sora_proxy.api.http.context import FETCHER, MEDIA, SETTINGS, THREADS
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.blocking import Work
from sora_proxy.foreign.public_http import AddressRefused
from sora_proxy.media.image_files import NotAnImage


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference image: a data URI, an http(s) address or an upload's file, and the parameter that it came in."""

    source: str | Path
    param: str = "messages"


async def keep_image(request: web.Request, reference: Reference) -> str:
    """Store a reference image; returns its name. Raises ClientError."""
    media, source = request.app[MEDIA], reference.source
    try:
        if isinstance(source, Path):
            return await media.keep_upload(source)
        return await media.keep_input(await _content(request, source))
    except (AddressRefused, NotAnImage) as error:
        message = f"The reference image can't be used: {error}."
        raise ClientError(message, code="invalid_image", param=reference.param) from error


async def _content(request: web.Request, source: str) -> bytes:
    if source.startswith("data:"):
        return await request.app[THREADS].run(Work.media, _decode, source)
    if request.app[SETTINGS].current.image_input == "off":
        raise AddressRefused("images are accepted as data URIs only, not by address")
    return await request.app[FETCHER].fetch(source)


def _decode(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise NotAnImage("its data URI must be base64")
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAnImage("its base64 is damaged") from error
