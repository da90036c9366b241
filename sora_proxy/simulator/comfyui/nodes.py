"""Nodes: the work of each class of nodes. All functions block: call them from a thread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sora_proxy.simulator.comfyui.pictures import Picture, size_of

LATENT_PIXELS = 8  # the sides of a latent are multiples of this number
UPSCALING = 4  # the factor of every upscale model

Given = Mapping[str, Any]
Pictures = tuple[Picture, ...]


class NodeFailed(Exception):
    """A node failed. The error has a type, which ComfyUI reports, and a message."""

    def __init__(self, kind: str, message: str) -> None:
        """Store the type and the message."""
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Latent:
    """What a sampler reads and returns. The images that are decoded from one latent differ only in their `variant`."""

    picture: Picture
    count: int

    @property
    def pictures(self) -> Pictures:
        """The decoded images."""
        numbers = range(1, self.count + 1)
        return tuple(replace(self.picture, variant=number, count=self.count) for number in numbers)


def _load_image(given: Given) -> tuple[Any, ...]:
    width, height = size_of(given["image"])
    picture = Picture(width, height, source=given["image"])
    return (picture,), picture


def _sample(given: Given) -> tuple[Any, ...]:
    latent: Latent = given["latent_image"]
    text = f"{given['positive']} · seed {given['seed']}"
    return (replace(latent, picture=replace(latent.picture, text=text)),)


def _encode(given: Given) -> tuple[Any, ...]:
    pictures: Pictures = given["pixels"]
    width, height = (side // LATENT_PIXELS * LATENT_PIXELS for side in (pictures[0].width, pictures[0].height))
    return (Latent(replace(pictures[0], width=width, height=height), len(pictures)),)


def _scale(given: Given) -> tuple[Any, ...]:
    """Scale images. If one side is 0, it is computed from the other side and the aspect ratio of the first image."""
    first: Picture = given["image"][0]
    width, height = given["width"], given["height"]
    if not width:
        width = max(1, round(first.width * height / first.height)) if height else first.width
    if not height:
        height = max(1, round(first.height * width / first.width)) if given["width"] else first.height
    return (tuple(replace(each, width=width, height=height) for each in given["image"]),)


def _times(pictures: Pictures, factor: float) -> tuple[Pictures]:
    return (
        tuple(
            replace(each, width=max(1, round(each.width * factor)), height=max(1, round(each.height * factor)))
            for each in pictures
        ),
    )


def _empty_image(given: Given) -> tuple[Any, ...]:
    picture = Picture(given["width"], given["height"], colour=given["color"])
    return (Latent(picture, given["batch_size"]).pictures,)


# Output nodes are missing here, because `saving.py` writes their images.
WORK: Mapping[str, Callable[[Given], tuple[Any, ...]]] = {
    "CheckpointLoaderSimple": lambda given: (given["ckpt_name"],) * 3,
    "LoraLoader": lambda given: (given["model"], given["clip"]),
    "UpscaleModelLoader": lambda given: (given["model_name"],),
    "CLIPTextEncode": lambda given: (given["text"],),
    "EmptyLatentImage": lambda given: (Latent(Picture(given["width"], given["height"]), given["batch_size"]),),
    "RepeatLatentBatch": lambda given: (replace(given["samples"], count=given["samples"].count * given["amount"]),),
    "SetLatentNoiseMask": lambda given: (given["samples"],),
    "KSampler": _sample,
    "VAEDecode": lambda given: (given["samples"].pictures,),
    "VAEEncode": _encode,
    "VAEEncodeForInpaint": _encode,
    "LoadImage": _load_image,
    "LoadImageMask": lambda given: _load_image(given)[1:],
    "EmptyImage": _empty_image,
    "ImageInvert": lambda given: (given["image"],),
    "ImageBlur": lambda given: (given["image"],),
    "ImageScale": _scale,
    "ImageScaleBy": lambda given: _times(given["image"], given["scale_by"]),
    "ImageUpscaleWithModel": lambda given: _times(given["image"], UPSCALING),
}
