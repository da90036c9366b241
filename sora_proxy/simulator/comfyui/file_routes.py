"""File routes: store uploaded files, and send files."""

import hashlib
import mimetypes
from email.utils import formatdate

from aiohttp import web

from sora_proxy.simulator.comfyui.checking import Unreadable
from sora_proxy.simulator.comfyui.files import TYPES, Files, OutsideError, Place, inside
from sora_proxy.simulator.comfyui.pictures import small_copy, without_texts
from sora_proxy.simulator.comfyui.state import COMFYUI

MAX_NAME = 255  # bytes
DEFAULT_QUALITY = 90
MODIFIED = formatdate(0, usegmt=True)


async def upload(request: web.Request) -> web.Response:
    """Store a file. If a different file with this name exists, the new file gets another name. Raises Unreadable."""
    simulator, form = request.app[COMFYUI], await request.post()
    file, kind = form.get("image"), form.get("type", "input")
    if not isinstance(file, web.FileField) or not file.filename:
        return web.Response(status=400)
    if kind not in TYPES or len(file.filename.encode()) > MAX_NAME:
        raise Unreadable
    try:
        path = inside(f"{form.get('subfolder', '')}/{file.filename}".lstrip("/"))
    except OutsideError:
        return web.Response(status=400)
    if path.rpartition("/")[2] != file.filename or "/" in file.filename:
        return web.Response(status=400)
    content = file.file.read()
    place = Place(file.filename, path.rpartition("/")[0], str(kind))
    if form.get("overwrite") not in ("true", "1"):
        place = _free(place, content, simulator.files)
    simulator.files.put(place, content)
    answer = {"name": place.name, "subfolder": place.subfolder, "type": place.type}
    digest = hashlib.sha256(content).hexdigest()
    simulator.ledger.note("uploads", {**answer, "bytes": len(content), "sha256": digest})
    return web.json_response(answer)


def _free(place: Place, content: bytes, files: Files) -> Place:
    """Return the place if it is free or contains the same bytes. Otherwise, the number in the name is raised until that
    is true."""
    stem, dot, ending = place.name.rpartition(".")
    stem, ending = (stem, dot + ending) if dot else (place.name, "")
    tried, number = place, 0
    while files.get(tried) not in (None, content):
        number += 1
        tried = Place(f"{stem} ({number}){ending}", place.subfolder, place.type)
    return tried


async def view(request: web.Request) -> web.Response:
    """Send a file, a range of its bytes, or a converted copy of it."""
    simulator, query = request.app[COMFYUI], request.query
    name, kind = query.get("filename", ""), query.get("type", "output")
    simulator.ledger.note("views", dict(query))
    if not name:
        return web.Response(status=404)
    if name.startswith("/") or ".." in name or kind not in TYPES:
        return web.Response(status=400)
    try:
        subfolder = inside(query.get("subfolder", ""))
    except OutsideError:
        return web.Response(status=403)
    content = simulator.files.get(Place(name.rpartition("/")[2], subfolder, kind))
    if content is None:
        return web.Response(status=404)
    headers = {"Content-Disposition": f'filename="{name}"'}
    if "preview" in query:
        image_format, _, quality = query["preview"].partition(";")
        image_format = image_format if image_format in ("webp", "jpeg") else "webp"
        number = int(quality) if quality.isdecimal() else DEFAULT_QUALITY
        body = await simulator.artist.work(lambda: small_copy(content, image_format, number))
        return web.Response(body=body, content_type=f"image/{image_format}", headers=headers)
    if query.get("channel") in ("rgb", "a"):
        body = await simulator.artist.work(lambda: without_texts(content, query["channel"]))
        return web.Response(body=body, content_type="image/png", headers=headers)
    return _whole_or_part(request, content, headers | {"Content-Type": _type_of(name)})


def _whole_or_part(request: web.Request, content: bytes, headers: dict[str, str]) -> web.Response:
    digest = hashlib.sha256(content).hexdigest()[:16]
    headers |= {
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": f'"{digest}-{len(content):x}"',
        "Last-Modified": MODIFIED,
    }
    try:
        wanted = request.http_range
    except ValueError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=content, headers=headers)
    start, end, _ = wanted.indices(len(content))
    if start >= end:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return web.Response(body=content[start:end], status=206, headers=headers)


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
