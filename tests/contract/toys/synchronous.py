"""A back end whose answer to an order is the image."""

import asyncio
import base64

from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Identity, Submission
from tests.contract.toys.calls import ask, sent
from tests.contract.toys.jobs import JobToy


class Synchronous(JobToy):
    identity = Identity.synchronous

    async def submit(self, submission: Submission) -> tuple[Asset, ...]:  # type: ignore[override]
        answer = await sent(ask(submission.account, "POST", f"{self.base_url}/images", self.order(submission)))
        return tuple([await self._written(submission, image) for image in answer["images"]])

    async def _written(self, submission: Submission, image: str) -> Asset:
        path = submission.new_file()
        await asyncio.to_thread(path.write_bytes, base64.b64decode(image))
        return Asset(file=path.name)

    async def cancel(self, task_id: str, account: Account) -> bool:  # noqa: ARG002
        return False
