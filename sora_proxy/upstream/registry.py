"""Registry: the back ends that `UPSTREAM` can name, and how each is made of the settings."""

from collections.abc import Callable

from sora_proxy.blocking import BlockingPool
from sora_proxy.settings.options import Settings
from sora_proxy.upstream import Upstream
from sora_proxy.upstream.sora import Sora

BACKENDS: dict[str, Callable[[Settings, BlockingPool], Upstream]] = {
    "sora": Sora.configured,
}
