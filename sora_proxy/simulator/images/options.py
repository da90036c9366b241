"""Options: the behaviour of a simulated server with OpenAI's Images API, with one line of meaning per option."""

from dataclasses import dataclass, fields

from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.options import check_option, option

MAX_IMAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesOptions:
    """The options of such a server. The defaults suit a demonstration; times are in seconds."""

    profile: str = option("generic", "the kind of server that answers", tuple(PROFILES))
    seconds: float = option(8.0, "seconds that an order takes")
    partial_seconds: float = option(1.0, "seconds before each partial image of a stream")
    image_bytes: int = option(0, "bytes of every image, which is then a plain colour (0: drawn images, as they come)")
    key: str = option("", "the key that is accepted (empty: any)")

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError, which names the option."""
        for each in fields(self):
            check_option(each.name, getattr(self, each.name), each.metadata["choices"])
        if self.image_bytes > MAX_IMAGE_BYTES:
            raise ValueError(f"image_bytes must be at most {MAX_IMAGE_BYTES}")
