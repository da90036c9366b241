"""Catalogue: all profiles by name."""

from collections.abc import Mapping

from sora_proxy.simulator.images.hosted import HOSTED
from sora_proxy.simulator.images.profile import Profile
from sora_proxy.simulator.images.self_hosted import SELF_HOSTED

PROFILES: Mapping[str, Profile] = {**SELF_HOSTED, **HOSTED}
