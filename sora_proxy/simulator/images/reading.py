"""Reading: reads the fields and files of requests."""

import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import orjson
import pybase64
from aiohttp import BodyPartReader, web

from sora_proxy.simulator.images.profile import Keys
from sora_proxy.simulator.images.refusals import Reason, Refused

MAX_BODY = 256 * 2**20  # bytes of all files together
SHOWN_TEXT = 1000  # the stats shorten texts with more characters
DATA_URI = re.compile(r"data:(image/[\w.+-]+);base64,(.*)", re.DOTALL)
BEARER = "bearer "
BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """An image of a request, from a field or a part of a form. `name` is the file name, which only a part of a form
    has."""

    field: str
    content: bytes
    declared_type: str
    name: str | None = None
    address: str | None = None  # the address of the image, which is not fetched

    def described(self) -> dict[str, Any]:
        """Return what the stats show about this image."""
        return {
            "field": self.field,
            "name": self.name,
            "type": self.declared_type,
            "bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass(slots=True)
class Received:
    """A request. `files` contains the parts of a form, and the images that were found in fields."""

    endpoint: str
    path: str
    key: str | None
    is_form: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    model_in_path: str | None = None

    def described(self) -> dict[str, Any]:
        """Return what the stats show about this request."""
        return {
            "endpoint": self.endpoint,
            "path": self.path,
            "key": self.key,
            "form": self.is_form,
            "fields": _shown(self.fields),
            "files": [file.described() for file in self.files],
        }


def key_of(request: web.Request, keys: Keys) -> str | None:
    """Return the key of a request, or None if the key is missing or empty."""
    for name in keys.headers:
        value = request.headers.get(name, "").strip()
        if name == "authorization":
            value = value[len(BEARER) :].strip() if value.lower().startswith(BEARER) else ""
        if value:
            return value
    return None


async def read_body(request: web.Request, received: Received) -> None:
    """Add the fields and files of a request. Raises Refused if its body can't be read."""
    received.is_form = request.content_type.startswith("multipart/")
    if received.is_form:
        await _read_form(request, received)
        return
    content = await request.read()
    if not content:
        raise Refused(Reason.empty_body)
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.bad_body) from error
    if not isinstance(body, dict):
        raise Refused(Reason.bad_body)
    received.fields = body


async def _read_form(request: web.Request, received: Received) -> None:
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name:
                await _read_part(part, received)
    except ValueError as error:
        raise Refused(Reason.bad_body) from error


async def _read_part(part: BodyPartReader, received: Received) -> None:
    content, room = bytearray(), MAX_BODY - sum(len(file.content) for file in received.files)
    while block := await part.read_chunk(BLOCK):
        content += block
        if len(content) > room:
            raise Refused(Reason.bad_body)
    name = part.name or ""
    if part.filename is None:
        received.fields[name] = content.decode("utf-8", "replace")
        return
    declared_type = part.headers.get("content-type", "application/octet-stream")
    received.files.append(File(name, bytes(content), declared_type, part.filename))


def inline_file(field_name: str, value: Any) -> File:
    """Return the image in a field: an address, a data URI, or an object that contains either. Raises Refused."""
    text = value.get("url") if isinstance(value, dict) else value
    if isinstance(text, str) and text.startswith(("http://", "https://")):
        return File(field_name, b"", "", address=text)
    found = DATA_URI.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Refused(Reason.bad_image, field_name, text)
    return File(field_name, decoded(field_name, found[2]), found[1])


def decoded(field_name: str, text: str) -> bytes:
    """Decode an image in base64. Raises Refused."""
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(Reason.bad_image, field_name, text) from error


def _shown(value: Any) -> Any:
    """Shorten long texts, since a long text usually is an image in base64."""
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, str) and len(value) > SHOWN_TEXT:
        return f"{value[:40]}… ({len(value)} characters)"
    return value
