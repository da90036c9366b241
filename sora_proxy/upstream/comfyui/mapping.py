"""Maps: define which node inputs each field of an order is written to. A map is read from NAME.map.json."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sora_proxy.settings.faults import lines_of
from sora_proxy.upstream.sizes import Size

Slot = tuple[str, str]  # a node's id, and the name of one of its inputs

SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
DEFAULT_MAX_IMAGES, MAX_IMAGES = 4, 16
# The fields that are written to inputs, grouped by the type of the input's value in the exported graph.
TEXTS = ("prompt", "negative_prompt", "image", "mask", "checkpoint")
NUMBERS = ("width", "height", "seed", "steps", "guidance_scale", "strength", "count")
SLOTS = (*TEXTS, *NUMBERS)


def _slots(value: Any) -> Any:
    """One or several slots. A node's id contains no full stop, but the name of an input may contain one."""
    slots = [value] if isinstance(value, str) else value
    if not isinstance(slots, list) or not slots:
        raise ValueError('must be like "6.text", or a list of such strings')
    for slot in slots:
        node, _, name = slot.partition(".") if isinstance(slot, str) else ("", "", "")
        if not node or not name:
            raise ValueError('must be like "6.text": the id of a node, and one of its inputs')
    return tuple(tuple(slot.split(".", 1)) for slot in slots)


def _size(value: Any) -> Any:
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('must be like "1024x1024"')
    return int(found[1]), int(found[2])


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("must be a JSON list")  # noqa: TRY004
    return tuple(value)


def _names(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value):
        raise ValueError('must contain names, or patterns such as "sd_xl*"')
    return value


def _node(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError('must be the id of a node in quotes, such as "9"')
    return value


Slots = Annotated[tuple[Slot, ...], BeforeValidator(_slots)]
Sizes = Annotated[tuple[Annotated[Size, BeforeValidator(_size)], ...], BeforeValidator(_list)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_names)]


class MapFile(BaseModel):
    """A map. A field is written to all of its slots, but each slot of `image` gets a different reference image.

    `checkpoints` are names or patterns. `with_reference` is the name of the workflow that replaces this one for orders
    with a reference image, and `with_mask` the name of the one for orders with a mask. Width and height are multiples
    of `size_step`. The images of the node `output` are the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = True
    prompt: Slots = ()
    negative_prompt: Slots = ()
    width: Slots = ()
    height: Slots = ()
    seed: Slots = ()
    steps: Slots = ()
    guidance_scale: Slots = ()
    strength: Slots = ()
    count: Slots = ()
    image: Slots = ()
    mask: Slots = ()
    checkpoint: Slots = ()
    checkpoints: Names = ()
    output: Annotated[str | None, BeforeValidator(_node)] = None
    with_reference: str | None = None
    with_mask: str | None = None
    max_images: int | None = Field(None, ge=1, le=MAX_IMAGES)
    sizes: Sizes = ()
    size_step: int = Field(8, ge=1, le=512)

    @property
    def slots(self) -> dict[str, tuple[Slot, ...]]:
        """The mapped fields and their slots."""
        return {field: slots for field in SLOTS if (slots := getattr(self, field))}


def read_map(document: Any) -> MapFile:
    """Check a map. Raises a ValueError that lists all faults of the map."""
    try:
        return MapFile.model_validate(document)
    except ValidationError as error:
        raise ValueError("; ".join(line.removeprefix(": ") for line in lines_of(error))) from None
