"""A back end whose answer to an order is the image, after any previews. Input images are sent with the order."""

import asyncio
import base64
from pathlib import Path
from typing import Any

from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Identity, Made, Submission
from tests.contract.toys.calls import ask, sent
from tests.contract.toys.jobs import JobToy, encoded, preview


class Synchronous(JobToy):
    identity = Identity.synchronous

    async def upload(self, image: Path, account: Account) -> str:  # noqa: ARG002
        return ""

    def order(self, submission: Submission) -> dict[str, Any]:
        images, mask = submission.images, submission.mask
        inputs = {"images": [encoded(image.file) for image in images], "mask": encoded(mask.file) if mask else None}
        return super().order(submission) | inputs

    async def submit(self, submission: Submission) -> Made:  # type: ignore[override]
        async def report(news: Any) -> None:
            if shown := preview(news):
                await submission.report(shown)

        order = await asyncio.to_thread(self.order, submission)
        answer = await sent(ask(submission.account, "POST", f"{self.base_url}/images", order, report))
        return Made(tuple([await self._written(submission, image) for image in answer["images"]]))

    async def _written(self, submission: Submission, image: str) -> Asset:
        path = submission.new_file()
        await asyncio.to_thread(path.write_bytes, base64.b64decode(image))
        return Asset(file=path.name)

    async def cancel(self, task_id: str, account: Account) -> bool:  # noqa: ARG002
        return False
