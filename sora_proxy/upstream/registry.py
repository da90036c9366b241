"""Registry: maps each kind of back end to its class."""

from collections.abc import Callable

from sora_proxy.blocking import BlockingPool
from sora_proxy.upstream import BackendOptions, Upstream
from sora_proxy.upstream.comfyui import ComfyUI
from sora_proxy.upstream.openai_images import OpenAIImages
from sora_proxy.upstream.sora import Sora

BACKENDS: dict[str, Callable[[BackendOptions, BlockingPool], Upstream]] = {
    "comfyui": ComfyUI,
    "openai_images": OpenAIImages,
    "sora": Sora,
}
