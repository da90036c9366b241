"""The spec of a generation: the order as its client made it. No I/O in here."""

from dataclasses import dataclass, field, fields
from typing import Any

NOT_ORDERED = {"ordered": False}  # marks a field that is not compared between orders
# The parameters that clients may set in addition to prompt and size. Their meanings and values depend on the model.
PARAMETERS = (
    "seed",
    "steps",
    "guidance_scale",
    "strength",
    "negative_prompt",
    "style",
    "quality",
    "background",
    "moderation",
    "input_fidelity",
)


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """The order as its client made it. `images` and `mask` are names of stored images; sizes are in pixels.

    `parameters` are the `PARAMETERS` that the client set. A model ignores those that it does not take.
    `previews` is the number of previews per image that the client wants.
    `include_usage`: whether the stream ends with the usage. It is stored for resumed streams, which must end alike.
    `metadata` contains the client's own notes on its order.
    `via` contains the marks of the sora_proxy servers that the order came through.
    `keep`: whether the images are stored here in any case, because the answer contains their bytes.
    `format` is png, webp or jpeg, and `compression` is 0 to 100. If they are unset, the images are not converted.
    `webhook_url` is the address to notify when the order has ended; links in that message begin with `origin`.
    """

    model: str
    prompt: str
    n: int = 1
    width: int = 720
    height: int = 480
    images: tuple[str, ...] = field(default=(), metadata=NOT_ORDERED)  # names of stored images
    include_usage: bool = field(default=False, metadata=NOT_ORDERED)
    metadata: dict[str, str] = field(default_factory=dict, metadata=NOT_ORDERED)
    keep: bool = field(default=False, metadata=NOT_ORDERED)
    format: str | None = None
    compression: int | None = None
    webhook_url: str | None = field(default=None, metadata=NOT_ORDERED)
    origin: str = field(default="", metadata=NOT_ORDERED)
    mask: str | None = field(default=None, metadata=NOT_ORDERED)
    parameters: dict[str, Any] = field(default_factory=dict)
    previews: int = field(default=0, metadata=NOT_ORDERED)
    via: tuple[str, ...] = field(default=(), metadata=NOT_ORDERED)

    def ordered(self) -> dict[str, Any]:
        """The fields that are compared between orders. Fields with their default values are left out, so that
        the digest of an order stays the same when a later version adds a field."""
        return {
            each.name: value
            for each in fields(self)
            if each.metadata != NOT_ORDERED and (value := getattr(self, each.name)) not in (each.default, {})
        }

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all input images of the order."""
        return (*self.images, self.mask) if self.mask else self.images
