"""Answers: reads the images in a server's answer to an order. The answer arrives as a whole or as a stream.

Images are written to files while they arrive; only the texts around them are kept in memory. In a stream, a single line
contains a whole image, and minutes may pass between two lines.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import structlog
from yarl import URL

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import SubmissionUnknown
from sora_proxy.event_log import MAX_PREVIEW_BYTES, Preview
from sora_proxy.foreign.addresses import joined_address
from sora_proxy.generation import Asset
from sora_proxy.upstream import Made, Submission
from sora_proxy.upstream.downloads import FileSink, NoSink
from sora_proxy.upstream.long_texts import SHORT_BYTES, LongTexts, Unreadable
from sora_proxy.upstream.openai_images.dialects import DIALECTS, Dialect
from sora_proxy.upstream.openai_images.faults import error_object, fault_of, no_image
from sora_proxy.upstream.openai_images.limits import limit_reached
from sora_proxy.upstream.openai_images.profiles import Profile
from sora_proxy.upstream.usage import usage_of

log = structlog.get_logger(__name__)

REQUEST_IDS = ("x-request-id", "apim-request-id", "x-siliconcloud-trace-id", "x-litellm-call-id")
PARTIAL = ("image_generation.partial_image", "image_edit.partial_image")
ERROR_FIELDS = ("error", "choices", "type")  # an answer with status 200 that reports an error has one of these fields
COMPLETED = ("image_generation.completed", "image_edit.completed")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the answer to one call. `base_url` is the base URL of the server."""

    submission: Submission
    profile: Profile
    base_url: str
    threads: BlockingPool

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.profile.wire]

    async def results(self, answer: aiohttp.ClientResponse) -> Made:
        """The images of an answer, and its usage. Raises the Fault that the answer shows, or SubmissionUnknown."""
        try:
            if answer.content_type == "text/event-stream":
                return await self._of_stream(answer)
            texts = self._long_texts()
            async for chunk in answer.content.iter_any():
                await texts.feed(chunk)
            await self._close(texts)
            document = texts.document()
        except Unreadable as error:
            if answer.status == 200:
                raise SubmissionUnknown(f"The answer to the order can't be read: {error}.") from error
            self._refuse(answer, None)
        if answer.status != 200 or not isinstance(document, dict):
            self._refuse(answer, document)
        return await self._made(answer, document, texts)

    async def _of_stream(self, answer: aiohttp.ClientResponse) -> Made:
        if answer.status != 200:
            self._refuse(answer, None)
        async for event, texts in self._events(answer):
            if event.get("type") in PARTIAL:
                await self._show(event, texts)
            elif event.get("type") in COMPLETED:
                return await self._made(answer, {**event, "data": [event]}, texts)
            elif error_object(event).given:
                self._refuse(answer, event)
        raise SubmissionUnknown("The stream of the back end ended without the image.")

    async def _events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[dict[str, Any], LongTexts]]:
        """Yield the object in the `data` of each event of a stream, when the last byte of the event has arrived."""
        texts, line = self._long_texts(), b""
        async for chunk in answer.content.iter_any():
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                await self._feed(texts, line, part)
                if document := await self._document(texts):
                    yield document, texts
                texts, line = self._long_texts(), b""
            line = await self._feed(texts, line, rest)
        if document := await self._document(texts):  # the last line may lack a newline
            yield document, texts

    async def _document(self, texts: LongTexts) -> dict[str, Any] | None:
        """The JSON object in a line of data; None if there is none."""
        if texts.is_blank:
            return None
        await self._close(texts)
        document = texts.document()
        return document if isinstance(document, dict) else None

    @staticmethod
    async def _feed(texts: LongTexts, line: bytes, part: bytes) -> bytes:
        """Read more of a line. Returns the beginning of the line, which shows whether it is a line of data."""
        head = b"data:"
        if len(line) < len(head):
            line, part = (line + part)[: len(head)], (line + part)[len(head) :]
        if line == head and part:
            await texts.feed(part)
        return line

    def _long_texts(self, short: int = SHORT_BYTES) -> LongTexts:
        """A reader that stores the requested images in files and drops all others."""
        rest = NoSink()
        left = itertools.count(self.submission.n + self._dialect.other_texts, -1)
        return LongTexts(
            lambda: FileSink(self.submission.new_file(), self.threads) if next(left) > 0 else rest, short=short
        )

    async def _close(self, texts: LongTexts) -> None:
        for sink in texts.sinks:
            if isinstance(sink, FileSink):
                await sink.close()

    async def _show(self, event: dict[str, Any], texts: LongTexts) -> None:
        """Report a partial image, and delete its file."""
        file = await self._file(event.get("b64_json"), texts)
        content = await self.threads.run(Work.download, _read_and_delete, file) if file is not None else None
        if content is not None:
            reported, number = event.get("output_format"), event.get("partial_image_index")
            image_format = reported if reported in ("png", "webp", "jpeg") else "png"
            number = number if isinstance(number, int) and 0 <= number < 10 else 0
            preview = Preview(content, image_format, number=number)
            await self.submission.report(preview)

    async def _made(self, answer: aiohttp.ClientResponse, document: dict[str, Any], texts: LongTexts) -> Made:
        images = [image for image in self._dialect.images_in(document) if not self._is_quoted(image)]
        if not images:
            self._refuse(answer, document)
        assets = [asset for image in images[: self.submission.n] if (asset := await self._asset(image, texts))]
        if not assets:
            raise no_image()
        await self.threads.run(Work.download, _remove, _unused(texts, assets))
        limit = limit_reached(answer.headers, self.submission.model)
        return Made(tuple(assets), usage_of(self._dialect.usage_in(document)), limit)

    def _is_quoted(self, image: str) -> bool:
        """Whether the address of an image is a part of the client's prompt, which a model may repeat in its text."""
        return image in self.submission.spec.prompt

    async def _asset(self, image: str, texts: LongTexts) -> Asset | None:
        """One result, as a file or an address."""
        if file := await self._file(image, texts):
            return Asset(file=file.name)
        address = joined_address(self.base_url, image)
        if address is None:
            return None
        return Asset(address, ours_only=URL(address).origin() == URL(self.base_url).origin())

    async def _file(self, value: Any, texts: LongTexts) -> Path | None:
        """The file of an image that came as base64 or a data URI."""
        if not isinstance(value, str):
            return None
        sink = texts.sink_of(value)
        if isinstance(sink, FileSink):
            return sink.path
        if value.startswith(("http://", "https://", "/")) or len(value) < 16:
            return None
        small = self._long_texts(short=0)
        try:
            await small.feed(b'"%b"' % value.encode())
        except Unreadable:
            return None
        await self._close(small)
        found = small.sinks[0] if small.sinks else None
        return found.path if isinstance(found, FileSink) else None

    def _refuse(self, answer: aiohttp.ClientResponse, document: Any) -> NoReturn:
        """Raise the fault of an answer without images. Its status, codes and request id are logged, but no text."""
        plain = answer.status == 200 and isinstance(document, dict) and document.keys().isdisjoint(ERROR_FIELDS)
        error = error_object(None if plain else document)  # even a successful answer may have a `message`
        request_id = next((answer.headers[name][:100] for name in REQUEST_IDS if name in answer.headers), None)
        codes = {"code": error.code, "type": error.kind, "reason": error.reason}
        log.warning("order failed at the back end", status=answer.status, upstream_request_id=request_id, **codes)
        if answer.status == 200 and not error.given:
            raise self._dialect.refusal_in(document if isinstance(document, dict) else {})
        account, model = self.submission.account, self.submission.model
        raise fault_of(answer.status, answer.headers, document, account, self.profile, model)


def _unused(texts: LongTexts, assets: list[Asset]) -> list[Path]:
    """The files of base64 strings that have proved not to be images of the answer."""
    used = {asset.file for asset in assets}
    return [sink.path for sink in texts.sinks if isinstance(sink, FileSink) and sink.path.name not in used]


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def _read_and_delete(path: Path) -> bytes | None:
    """Read and delete a file. Returns None if the file is too large for a preview."""
    try:
        return path.read_bytes() if path.stat().st_size <= MAX_PREVIEW_BYTES else None
    finally:
        path.unlink()
