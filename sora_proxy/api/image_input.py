"""Reference pictures: from a data URI or an address to a checked file of ours."""

import base64
import binascii

from aiohttp import web

from sora_proxy.api.context import FETCHER, MEDIA, POOL, SETTINGS
from sora_proxy.blocking import Work
from sora_proxy.errors import ClientError
from sora_proxy.media import NotAPicture
from sora_proxy.public_fetch import FetchRefused


async def keep_picture(request: web.Request, source: str) -> str:
    """Store the picture that a data URI holds or an http(s) address leads to; returns its name.

    Raises ClientError.
    """
    app = request.app
    try:
        if source.startswith("data:"):
            content = await app[POOL].run(Work.media, _decode, source)
        elif app[SETTINGS].image_input == "off":
            raise _refusal("Pictures are taken as data URIs only, not by address.")
        else:
            content = await app[FETCHER].fetch(source)
        return await app[MEDIA].keep_input(content)
    except (FetchRefused, NotAPicture) as error:
        raise _refusal(f"The reference picture can't be used: {error}.") from error


def _decode(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise NotAPicture("its data URI must be base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAPicture("its base64 is damaged") from error


def _refusal(message: str) -> ClientError:
    return ClientError(message, code="invalid_image", param="messages")
