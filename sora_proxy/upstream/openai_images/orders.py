"""Orders: the types that describe one call to a server, and the images in the call."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from pybase64 import b64encode

from sora_proxy.upstream.openai_images.profiles import Ratio
from sora_proxy.upstream.sizes import Size


@dataclass(frozen=True, slots=True)
class Input:
    """A reference image or a mask, with its content."""

    content: bytes
    content_type: str

    @property
    def name(self) -> str:
        return f"image.{self.content_type.removeprefix('image/')}"

    @property
    def base64(self) -> str:
        return b64encode(self.content).decode()

    @property
    def data_uri(self) -> str:
        return f"data:{self.content_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Order:
    """One call. `path` is relative to the base URL, and `body` is JSON or a form."""

    path: str
    body: bytes | aiohttp.FormData
    content_type: str | None


def nearest_ratio(size: Size, ratios: Iterable[Ratio]) -> str:
    """The ratio in a server's list that is nearest to the ratio of a size. The result is a text such as 3:2."""
    shape = size[0] / size[1]
    width, height = min(ratios, key=lambda ratio: abs(math.log(shape * ratio[1] / ratio[0])))
    return f"{width}:{height}"
