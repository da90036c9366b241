"""Options: the behaviour of a simulated server with OpenAI's Images API, with a short explanation of each option."""

from dataclasses import dataclass, fields

from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.options import check_option, option

MAX_IMAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesOptions:
    """The options of a simulated server. The defaults suit a demonstration; times are in seconds."""

    profile: str = option("generic", "kind of server that is simulated", tuple(PROFILES))
    seconds: float = option(8.0, "time that an order takes, in seconds")
    partial_seconds: float = option(1.0, "time before each partial image of a stream, in seconds")
    image_bytes: int = option(
        0, "size of each file in bytes; if it is set, each image has a single colour (0: drawn images of any size)"
    )
    key: str = option("", "key that clients must send (empty: any key)")

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError, which names the option."""
        for each in fields(self):
            check_option(each.name, getattr(self, each.name), each.metadata["choices"])
        if self.image_bytes > MAX_IMAGE_BYTES:
            raise ValueError(f"image_bytes must be at most {MAX_IMAGE_BYTES}")
