"""The spec of a generation: what was ordered. No I/O in here."""

from dataclasses import dataclass, field, fields
from typing import Any

NOT_ORDERED = {"ordered": False}  # of a field that does not change what is made
# What clients may set beside the prompt and the size. What it means, and which values there are, is up to a model.
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
    """What was ordered. `images` and `mask` name stored input images, `width` and `height` are pixels.

    `parameters` are those of `PARAMETERS` that the client set: a model that does not take one ignores it.
    `previews` is how many previews of each image the client wants.
    `include_usage` is how the answer was asked for: a stream that is resumed must have the same form.
    `metadata` is what the client noted on its order.
    `via` names the servers like this one that the order came through, by their marks.
    `keep`: its images are stored here whatever the operator chose, for the answer holds their bytes. `format` is png,
    webp or jpeg, `compression` 0 to 100; without them an image stays as the back end made it.
    `webhook_url` is where to send a message about its end, `origin` the address of ours that its links have there.
    """

    model: str
    prompt: str
    n: int = 1
    width: int = 720
    height: int = 480
    images: tuple[str, ...] = field(default=(), metadata=NOT_ORDERED)  # names of ours
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
        """The fields by which orders differ, except those at their default: later versions will have more fields."""
        return {
            each.name: value
            for each in fields(self)
            if each.metadata != NOT_ORDERED and (value := getattr(self, each.name)) not in (each.default, {})
        }

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all its input images."""
        return (*self.images, self.mask) if self.mask else self.images
