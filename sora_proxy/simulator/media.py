"""Media: the signed, expiring URLs of images, and the images behind them."""

import functools
import hashlib
import hmac
from dataclasses import dataclass

from sora_proxy.simulator.drawing import Sketch, draw
from sora_proxy.simulator.lifecycle import Task
from sora_proxy.simulator.refusals import Refusal
from sora_proxy.simulator.state import Simulator


@dataclass(frozen=True, slots=True)
class Asset:
    """One image of a task; the variant counts from 1."""

    task: Task
    variant: int


def media_path(simulator: Simulator, task: Task, variant: int) -> str:
    """Return the path of an image. It expires `media_ttl` seconds from now."""
    expires = round((simulator.engine.clocks.now() + simulator.options.media_ttl) * 1000)
    signature = _signature(simulator, task.id, variant, expires)
    return f"/media/{task.id}/{variant}.png?expires={expires}&signature={signature}"


def asset_of(simulator: Simulator, task_id: str, variant: str, query: dict[str, str]) -> Asset:
    """Find the image that a URL leads to. Raises Refusal, with 404 for a wrong URL and 403 for an expired one."""
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not (expires.isdecimal() and variant.isdecimal() and signature.isascii()):
        raise _not_found()
    if not hmac.compare_digest(signature, _signature(simulator, task_id, int(variant), int(expires))):
        raise _not_found()
    if int(expires) <= simulator.engine.clocks.now() * 1000:
        raise Refusal(403, "url_expired", "This URL has expired.")
    task = simulator.engine.any_task(task_id)
    if task is None:
        raise _not_found()
    return Asset(task, int(variant))


async def image_of(simulator: Simulator, asset: Asset) -> bytes:
    """Return the PNG, which is drawn in a thread if it is not in the cache."""
    sketch = _sketch(simulator, asset)
    return await simulator.artist.image(_name(asset), lambda: draw(sketch))


def draw_ahead(simulator: Simulator, task: Task) -> None:
    """Draw the images of a task while it is still running, since clients request all of them when it ends."""
    for variant in range(1, task.order.n_variants + 1):
        asset = Asset(task, variant)
        simulator.artist.begin(_name(asset), functools.partial(draw, _sketch(simulator, asset)))


def _name(asset: Asset) -> str:
    return f"{asset.task.id}/{asset.variant}"


def _sketch(simulator: Simulator, asset: Asset) -> Sketch:
    order = asset.task.order
    upload = None
    if order.upload_id is not None:
        upload = simulator.engine.upload(order.upload_id, asset.task.token)
    return Sketch(
        prompt=order.prompt,
        variant=asset.variant,
        n_variants=order.n_variants,
        width=order.width,
        height=order.height,
        is_remix=order.upload_id is not None,
        upload=upload.image if upload else None,
    )


def _signature(simulator: Simulator, task_id: str, variant: int, expires: int) -> str:
    text = f"{task_id}/{variant}/{expires}".encode()
    return hashlib.blake2b(text, key=simulator.media_secret, digest_size=16).hexdigest()


def _not_found() -> Refusal:
    return Refusal(404, "not_found", "There is nothing at this URL.")
