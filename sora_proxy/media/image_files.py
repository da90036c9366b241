"""Media: keeps the reference images and the results on disk.

The format of an image is determined from its bytes, never from a media type or name that came with it. Files get random
names, under which they appear only when they are complete. Access to files blocks, so it runs on `Work.media` threads.
"""

import contextlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import structlog
from PIL import Image

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ConfigurationError, StorageUnavailable
from sora_proxy.media.conversion import converted

log = structlog.get_logger(__name__)

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif"}
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
IMAGE_NAME = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp|gif)")
MAX_PIXELS = 50_000_000
MIN_FREE_BYTES = 2**20  # on the disk of the images; less has no room for another image
JPEG, START_OF_SCAN, EXIF = b"\xff\xd8", b"\xff\xda", b"Exif\0\0"
MAX_SCANS = 100  # a progressive JPEG has about ten scans, and decoding each of them takes time
# Cameras write one or two EXIF segments. Pillow copies all earlier segments again for each one, so reading many of them
# takes minutes.
MAX_EXIF_SEGMENTS = 20
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # these bytes start a segment; other data may contain them by chance
MAX_MARKERS = 100_000  # Pillow's objects for the segments may take up twenty times the size of the file
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError)  # raised for damaged files, depending on the format


class NotAnImage(ValueError):
    """The bytes are not a PNG, JPEG, WebP or GIF, are damaged, or would be too large when decoded."""


class Media:
    """Two folders: `images` with the results, which are public, and `inputs` with reference images, which are not."""

    def __init__(self, images: Path, inputs: Path, threads: BlockingPool) -> None:
        self._images = images
        self._inputs = inputs
        self._threads = threads

    async def open(self) -> None:
        """Create the folders, and remove incomplete files that a crash left behind. Raises ConfigurationError."""
        await self._threads.run(Work.media, self._open)

    async def check_writable(self) -> None:
        """Check that an image could be stored now. Raises StorageUnavailable."""
        await self._threads.run(Work.media, self._check_writable)

    def image_path(self, name: str) -> Path:
        """The path of a result. `name` must match `IMAGE_NAME`."""
        return self._images / name

    async def has_image(self, name: str) -> bool:
        """Whether a result still exists. `name` must match `IMAGE_NAME`."""
        return await self._threads.run(Work.media, self.image_path(name).is_file)

    def input_path(self, name: str) -> Path:
        """The path of a reference image. `name` is a name that `keep_input` or `keep_upload` returned."""
        return self._inputs / name

    def new_download(self) -> Path:
        """A new path for a result that is being downloaded."""
        return self._images / f".{secrets.token_hex(16)}.part"

    @contextlib.asynccontextmanager
    async def new_results(self) -> AsyncIterator[Callable[[], Path]]:
        """Yield a function that returns new paths for results that arrive as bytes. The files survive a restart as
        long as an order refers to them, and are removed if the block fails."""
        given: list[Path] = []

        def new_result() -> Path:
            given.append(self._images / f".{secrets.token_hex(16)}.result")
            return given[-1]

        try:
            yield new_result
        except BaseException:
            for path in given:
                await self.discard(path)
            raise

    def result_path(self, name: str) -> Path:
        """The path of a result that arrived as bytes. `name` is the name of a path from `new_results`."""
        return self._images / name

    async def keep_input(self, content: bytes) -> str:
        """Check and store a reference image; returns its name.

        Raises NotAnImage or StorageUnavailable.
        """
        return await self._threads.run(Work.media, self._keep_input, content)

    async def new_upload(self) -> Path:
        """Make an empty file for an incoming reference image. Raises StorageUnavailable."""
        upload = self._new_input()
        await self.append(upload, b"")
        return upload

    async def append(self, upload: Path, chunk: bytes) -> None:
        """Add bytes to an incoming reference image. Raises StorageUnavailable."""
        await self._threads.run(Work.media, _append, upload, chunk)

    async def keep_upload(self, upload: Path) -> str:
        """Check an uploaded reference image and store it; returns its name.

        Raises NotAnImage or StorageUnavailable.
        """
        return await self._threads.run(Work.media, _store, upload, self._inputs)

    async def copy_image(self, name: str) -> Path:
        """Copy a result, to use the copy as a reference image. Returns the path of the copy. `name` must match
        `IMAGE_NAME`.

        Raises StorageUnavailable.
        """
        upload = self._new_input()
        await self._threads.run(Work.media, _copy, self.image_path(name), upload)
        return upload

    async def keep_result(self, download: Path, wanted: str | None = None, compression: int | None = None) -> str:
        """Check a downloaded result, convert it to the format `wanted`, if any, and store it; returns its name.

        Raises NotAnImage or StorageUnavailable.
        """
        return await self._threads.run(Work.media, self._keep_result, download, wanted, compression)

    async def keep_stored(self, name: str, wanted: str | None = None, compression: int | None = None) -> str:
        """Check, convert and store a result that arrived as bytes; returns its name. The original file remains.

        Raises NotAnImage or StorageUnavailable.
        """
        return await self._threads.run(Work.media, self._keep_stored, name, wanted, compression)

    async def discard(self, path: Path) -> bool:
        """Remove a file if it exists; returns whether it is gone."""
        return await self._threads.run(Work.media, _remove, path)

    async def keep_only(self, inputs: Collection[str | None], results: Collection[str | None]) -> None:
        """Remove all reference images and all results that arrived as bytes, except for those with these names."""
        await self._threads.run(Work.media, self._keep_only, inputs, results)

    def _keep_only(self, inputs: Collection[str | None], results: Collection[str | None]) -> None:
        unneeded = [path for path in self._inputs.iterdir() if path.name not in inputs]
        unneeded += [path for path in self._images.glob(".*.result") if path.name not in results]
        for path in unneeded:
            _remove(path)

    def _check_writable(self) -> None:
        try:
            free = shutil.disk_usage(self._images).free
        except OSError as error:
            raise StorageUnavailable(f"the folder of the images can't be used: {error.strerror}") from error
        if free < MIN_FREE_BYTES:
            raise StorageUnavailable("the disk is almost full")
        if not os.access(self._images, os.W_OK | os.X_OK):
            raise StorageUnavailable("images can't be written into their folder")

    def _open(self) -> None:
        for folder in (self._images, self._inputs):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                for leftover in folder.glob(".*.part"):
                    leftover.unlink()
            except OSError as error:
                raise ConfigurationError([f"IMAGE_SAVE_DIR: {folder}: {error.strerror}"]) from None

    def _new_input(self) -> Path:
        return self._inputs / f".{secrets.token_hex(16)}.part"

    def _keep_input(self, content: bytes) -> str:
        upload = self._new_input()
        _append(upload, content)
        return _store(upload, self._inputs)

    def _keep_result(self, download: Path, wanted: str | None, compression: int | None) -> str:
        if wanted:
            download = self._in_format(download, wanted, compression)
        return _store(download, self._images)

    def _keep_stored(self, name: str, wanted: str | None, compression: int | None) -> str:
        download = self.new_download()
        try:
            download.hardlink_to(self.result_path(name))
        except FileNotFoundError:
            raise NotAnImage("its file is missing") from None
        except OSError as error:
            raise StorageUnavailable(f"an image can't be stored: {error.strerror}") from error
        return self._keep_result(download, wanted, compression)

    def _in_format(self, download: Path, wanted: str, compression: int | None) -> Path:
        other = self.new_download()
        try:
            _format_of(download)  # check that it is an image, and not too large, before it is decoded
            if not converted(download, other, wanted, compression):
                return download
        except PILLOW_ERRORS as error:
            for path in (download, other):
                path.unlink(missing_ok=True)
            if isinstance(error, NotAnImage):
                raise
            if isinstance(error, OSError) and error.errno:
                raise StorageUnavailable(f"an image can't be stored: {error.strerror}") from error
            raise NotAnImage(f"it can't be converted to {wanted}") from error
        download.unlink()
        return other


def _append(part: Path, chunk: bytes) -> None:
    try:
        with part.open("ab") as file:
            file.write(chunk)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageUnavailable(f"an image can't be stored: {error.strerror}") from error


def _copy(image: Path, upload: Path) -> None:
    try:
        shutil.copyfile(image, upload)
    except OSError as error:
        upload.unlink(missing_ok=True)
        raise StorageUnavailable(f"an image can't be copied: {error.strerror}") from error


def _remove(path: Path) -> bool:
    """Remove a file; returns whether it is gone. A failure is only logged, because an extra file does no harm."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("removing image file failed", reason=error.strerror)
        return False
    return True


def _store(part: Path, folder: Path) -> str:
    """Check a file and move it to a new name in a folder, durably. Returns the name."""
    try:
        name = f"{secrets.token_hex(16)}.{FORMATS[_format_of(part)]}"
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(folder / name)
        _sync(folder)
    except NotAnImage:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageUnavailable(f"an image can't be stored: {error.strerror}") from error
    return name


def _sync(folder: Path) -> None:
    """Make the renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _format_of(path: Path) -> str:
    """The format of a valid image. Its size is read from the header, before anything is decoded. Raises NotAnImage."""
    try:
        _check_parts(path)
        with Image.open(path, formats=list(FORMATS)) as image:
            pixels, found = image.width * image.height, image.format or ""
            if pixels <= MAX_PIXELS:
                if found in ("JPEG", "GIF"):  # only decoding shows whether the file is complete
                    image.draft("L", (1, 1))  # a JPEG is decoded at an eighth of its size
                    image.load()
                else:
                    image.verify()
    except (*PILLOW_ERRORS, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAnImage("the bytes are not a valid PNG, JPEG, WebP or GIF") from error
    if pixels > MAX_PIXELS:
        raise NotAnImage(f"the image has more than {MAX_PIXELS // 1_000_000} million pixels")
    return found


def _check_parts(path: Path) -> None:
    """Check that a JPEG does not have so many parts that reading it takes too long. Raises ValueError or OSError."""
    with path.open("rb") as file:
        content = file.read() if file.read(len(JPEG)) == JPEG else b""
    markers = sum(1 for _ in itertools.islice(MARKER.finditer(content), MAX_MARKERS + 1))
    if content.count(START_OF_SCAN) > MAX_SCANS or content.count(EXIF) > MAX_EXIF_SEGMENTS or markers > MAX_MARKERS:
        raise ValueError("it has too many parts")
