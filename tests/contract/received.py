"""What a server got with an order, in the same words for every protocol."""

from dataclasses import dataclass, field
from typing import Any

File = tuple[str, bytes]  # its type and its content


@dataclass
class Received:
    """The input images of an order, its parameters, and how many previews it asks for."""

    references: list[File] = field(default_factory=list)
    mask: File | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    previews: int = 0
