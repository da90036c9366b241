"""Serves the stored images. No key is needed, since `<img>` can't send a key, and the names can't be guessed."""

from aiohttp import web

from sora_proxy.api.context import STORE
from sora_proxy.api.http.context import MEDIA
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.reference.described import Description, described
from sora_proxy.media.image_files import CONTENT_TYPES, IMAGE_NAME

HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
    "content-disposition": "inline",
}


@described(Description(media=("image/png", "image/jpeg", "image/webp", "image/gif")))
async def image(request: web.Request) -> web.StreamResponse:
    """Retrieve a stored image."""
    name = request.match_info["name"]
    found = IMAGE_NAME.fullmatch(name)
    media = request.app[MEDIA]
    if found is None or not await request.app[STORE].has_image(name) or not await media.has_image(name):
        raise ClientError("This image does not exist.", code="not_found")
    response = web.FileResponse(media.image_path(name), headers=HEADERS)
    response.content_type = CONTENT_TYPES[found[1]]
    return response
