"""Work: carries out the orders of all protocols. It reads an order, makes the images and answers the order."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pybase64
from aiohttp import web

from sora_proxy.simulator import pages
from sora_proxy.simulator.faults import Call
from sora_proxy.simulator.images.drawing import image_of, padded, partial_of, plain_image, small_form_of
from sora_proxy.simulator.images.faults import Link, Manner, manner_of
from sora_proxy.simulator.images.orders import Order
from sora_proxy.simulator.images.profile import Profile
from sora_proxy.simulator.images.reading import Received, key_of, read_body
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.state import IMAGES, ImagesSimulator, StoredFile
from sora_proxy.simulator.sending import cut
from sora_proxy.simulator.stopping import STOPPING

LINE = 76  # characters per line, if base64 is broken into lines
OWN = Link(relative=False, guarded=False, failures=0)


@dataclass(frozen=True, slots=True)
class Work:
    """One order that is being carried out; `preview` is a small copy of its first reference image."""

    request: web.Request
    simulator: ImagesSimulator
    order: Order
    manner: Manner
    preview: bytes | None = None

    async def images(self) -> list[bytes]:
        """Return the images after the time that the options set."""
        async with self.simulator.turn():
            await self.pause(self.simulator.options.seconds + self.manner.silence)
            return await self.drawn()

    async def pause(self, seconds: float) -> None:
        """Wait for this many seconds, or until the server stops."""
        if seconds:
            await self.request.app[STOPPING].pause(seconds)

    async def drawn(self) -> list[bytes]:
        """Return the images as soon as they are drawn."""
        order, size = self.order, self.simulator.options.image_bytes
        numbers = range(1, order.n + 1)
        if size:
            images = [plain_image(order, number, size) for number in numbers]
        else:
            images = list(await asyncio.gather(*map(self._drawn, numbers)))
        self.simulator.ledger.images += len(images)
        return [padded(image, self.manner.min_bytes) for image in images]

    async def partial(self, number: int, image: bytes) -> bytes:
        """Return a partial image: a blurred copy of the image, or the image itself if the options set the size of
        files."""
        if self.simulator.options.image_bytes:
            return image
        return await self.simulator.artist.work(lambda: partial_of(image, number, self.order.output_format))

    def encoded(self, image: bytes) -> str:
        """Return an image as base64."""
        text = pybase64.b64encode(image).decode()
        return "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE)) if self.manner.wrapped else text

    def data_uri(self, image: bytes) -> str:
        """Return an image as a data URI."""
        return f"data:{self.content_type};base64,{self.encoded(image)}"

    @property
    def content_type(self) -> str:
        """The media type that the answer declares for an image."""
        return self.manner.declared_type or f"image/{self.order.output_format}"

    def address(self, image: bytes) -> str:
        """Store an image. Returns its address."""
        answers, link = self.simulator.profile.answers, self.manner.link or OWN
        guarded = link.guarded or answers.addresses_need_key
        content_type = f"image/{self.order.output_format}"
        name = self.simulator.files.add(StoredFile(image, content_type, guarded, link.failures))
        path = answers.addresses.format(name=name)
        relative = link.relative or answers.addresses_relative
        return path if relative else f"{self.request.scheme}://{self.request.host}{path}"

    async def _drawn(self, number: int) -> bytes:
        order = self.order
        name = f"{number}/{order.n}/{order.size}/{order.output_format}/{hash(self.preview)}/{order.prompt}"
        return await self.simulator.artist.image(name, functools.partial(image_of, order, number, self.preview))


Read = Callable[[Received, Profile], Order]
Answer = Callable[[Work], Awaitable[web.StreamResponse]]


async def take(request: web.Request, endpoint: str, read: Read, answer: Answer) -> web.StreamResponse:
    """Read an order, then make its images and answer, or answer as a fault demands. Raises Refused."""
    simulator = request.app[IMAGES]
    received = received_of(request, endpoint)
    try:
        check_access(request, received.key)
        await read_body(request, received)
    finally:
        simulator.ledger.arrived(received)
    order = read(received, simulator.profile)
    preview = await _preview_of(order, simulator)
    manner = manner_for(request, received, order.prompt)
    return await _carry_out(Work(request, simulator, order, manner, preview), answer)


def received_of(request: web.Request, endpoint: str) -> Received:
    """Make the record of a request, without the fields and files of its body."""
    key = key_of(request, request.app[IMAGES].profile.keys)
    return Received(endpoint, request.path_qs, key, model_in_path=request.match_info.get("model"))


def check_access(request: web.Request, key: str | None) -> None:
    """Check the key and the query parameters of a request. Raises Refused."""
    profile, accepted = request.app[IMAGES].profile, request.app[IMAGES].options.key
    if profile.keys.headers and key is None and (profile.keys.needed or accepted):
        raise Refused(Reason.no_key)
    if profile.keys.headers and accepted and key != accepted:
        raise Refused(Reason.wrong_key, value=f"{(key or '')[:3]}…")
    if any(name not in request.query for name in profile.query):
        raise Refused(Reason.no_route, value=f"{request.method} {request.path}")


def manner_for(request: web.Request, received: Received, prompt: str | None = None) -> Manner:
    """Return the manner of answering that a rule demands for a call, and count the use of the rule."""
    simulator = request.app[IMAGES]
    rule = simulator.faults.answer_rule(Call(received.endpoint, received.key, prompt))
    if rule is not None:
        simulator.faults.strike(rule)
        simulator.ledger.wake()
    return manner_of(rule)


def spoiled(request: web.Request, manner: Manner) -> web.Response | None:
    """Return the answer that a fault demands, or None for the normal answer. Raises Refused."""
    if manner.refusal is not None:
        raise manner.refusal
    if manner.dropped:
        return cut(request, reset=True)
    return pages.plain(200) if manner.page else None


async def _carry_out(work: Work, answer: Answer) -> web.StreamResponse:
    manner, simulator = work.manner, work.simulator
    if manner.registered:
        fails = manner.refusal is not None
        simulator.ledger.order_registered(simulator.profile.attempts if fails else 1)
    return spoiled(work.request, manner) or await answer(work)


async def _preview_of(order: Order, simulator: ImagesSimulator) -> bytes | None:
    """Return a small copy of the first reference image. Raises Refused if a file is not an image and the profile checks
    its files."""
    files = [file for file in (*order.references, order.mask) if file is not None and file.address is None]
    previews: list[bytes | None] = []
    for file in files:
        try:
            previews.append(await simulator.artist.work(functools.partial(small_form_of, file)))
        except Refused:
            if simulator.profile.files.checked:
                raise
            previews.append(None)
    return previews[0] if previews else None
