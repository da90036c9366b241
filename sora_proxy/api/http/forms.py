"""Multipart forms with image uploads. Images are written to disk as they arrive; all other parts are small."""

import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import BodyPartReader, web

from sora_proxy.api.http.arrival import arriving, in_time
from sora_proxy.api.http.context import MEDIA
from sora_proxy.api.http.refusals import ClientError

MAX_PARTS = 100
MAX_TEXT_BYTES = 2**18
CHUNK_BYTES = 2**16


@dataclass(slots=True)
class Form:
    """The content of a form: its texts and its files, both by the names of their parts. The files are not checked
    yet."""

    texts: dict[str, str] = field(default_factory=dict)
    files: defaultdict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


@contextlib.asynccontextmanager
async def read_form(request: web.Request, *, files: Collection[str]) -> AsyncIterator[Form]:
    """Read a form. Parts with a name in `files`, perhaps followed by `[]`, are files; all other parts are texts.

    The files exist until the block ends. Raises ClientError.
    """
    form = Form()
    try:
        try:
            async with arriving(request):
                await _read(request, form, files)
        except (ValueError, RuntimeError) as error:  # raised by aiohttp for a malformed form
            raise ClientError("The request body is not a valid multipart form.", code="invalid_body") from error
        yield form
    finally:
        for path in itertools.chain.from_iterable(form.files.values()):
            await request.app[MEDIA].discard(path)


async def _read(request: web.Request, form: Form, files: Collection[str]) -> None:
    reader = await request.multipart()
    for _ in range(MAX_PARTS):
        part = await in_time(reader.next())
        if part is None:
            return
        if not isinstance(part, BodyPartReader) or not part.name:
            raise ValueError("a part has no name, or is itself multipart")
        name = part.name.partition("[")[0]
        if name in files:
            await _file(request, part, form.files[name])
        else:
            form.texts[part.name] = await _text(request, part)
    raise ClientError(f"A form can have at most {MAX_PARTS} parts.", code="invalid_body")


async def _file(request: web.Request, part: BodyPartReader, uploads: list[Path]) -> None:
    upload = await request.app[MEDIA].new_upload()
    uploads.append(upload)
    size = 0
    async for chunk in _chunks(request, part):
        await request.app[MEDIA].append(upload, chunk)
        size += len(chunk)
    if not size and not part.filename:  # browsers send an empty part if no file was chosen
        await request.app[MEDIA].discard(upload)
        uploads.remove(upload)


async def _text(request: web.Request, part: BodyPartReader) -> str:
    text = bytearray()
    async for chunk in _chunks(request, part):
        text += chunk
        if len(text) > MAX_TEXT_BYTES:
            raise ClientError(f"A field of the form is longer than {MAX_TEXT_BYTES} bytes.", param=str(part.name)[:100])
    return text.decode()


async def _chunks(request: web.Request, part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await in_time(part.read_chunk(CHUNK_BYTES)):
        if request.content.total_bytes > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size)
        yield chunk
