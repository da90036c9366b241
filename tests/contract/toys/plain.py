"""A back end that makes one image from a prompt, and has no other ability."""

from pathlib import Path

from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Abilities, Capabilities
from tests.contract.toys.jobs import JobToy


class Plain(JobToy):
    shows_previews = False
    capabilities = Capabilities({"toy": Abilities()})

    async def upload(self, image: Path, account: Account) -> str:  # noqa: ARG002
        raise AssertionError("its model takes no images")
