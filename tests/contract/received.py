"""The contents of an order as a server received it, in the same form for every protocol."""

from dataclasses import dataclass, field
from typing import Any

File = tuple[str, bytes]  # content type and bytes


@dataclass
class Received:
    """The input images of an order, its parameters, and the number of previews that the order requests."""

    references: list[File] = field(default_factory=list)
    mask: File | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    previews: int = 0
