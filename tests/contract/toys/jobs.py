"""The base of the toys with jobs: everything except the search for a lost order."""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import UpstreamUnavailable
from sora_proxy.event_log import Preview
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import (
    CONTENT_TYPES,
    Abilities,
    BackendOptions,
    Capabilities,
    Identity,
    Snapshot,
    Submission,
    TaskState,
)
from tests.contract.toys.calls import TIMEOUT, ask, sent

PARAMETERS = ("seed", "strength", "negative_prompt")
ABILITIES = Abilities(((64, 64),), max_images=4, max_references=3, masks=True, parameters=PARAMETERS)
STATES = {"running": TaskState.running, "done": TaskState.succeeded, "failed": TaskState.failed}


def encoded(image: Path) -> dict[str, str]:
    """An input image in the form that the server expects, read from its file."""
    return {"type": CONTENT_TYPES[image.suffix], "content": base64.b64encode(image.read_bytes()).decode()}


def preview(news: dict[str, Any]) -> Preview | None:
    """The preview that the server shows, if there is one."""
    return Preview(base64.b64decode(news["preview"]), "png") if news.get("preview") else None


class JobToy:
    """A back end whose orders become jobs."""

    identity = Identity.blind
    names_tasks: bool | None = True
    polls_are_complete = False
    links_results = False
    max_concurrent: int | None = None
    shows_previews = True
    capabilities = Capabilities({"toy": ABILITIES})

    def __init__(self, options: BackendOptions, _threads: BlockingPool) -> None:
        self.name, self.base_url = options.name, options.base_url

    async def ask_capabilities(self, account: Account) -> Capabilities:  # noqa: ARG002
        return self.capabilities

    async def may_have_changed(self) -> bool:
        return False

    async def upload(self, image: Path, account: Account) -> str:
        file = await asyncio.to_thread(encoded, image)
        return str((await ask(account, "POST", f"{self.base_url}/uploads", file))[1]["id"])

    async def submit(self, submission: Submission) -> str:
        job = await sent(ask(submission.account, "POST", f"{self.base_url}/jobs", self.order(submission)))
        return str(job["id"])

    def order(self, submission: Submission) -> dict[str, Any]:
        spec, images, mask = submission.spec, submission.images, submission.mask
        inputs = {"images": [image.upload_id for image in images], "mask": mask.upload_id if mask else None}
        order = {"prompt": spec.prompt, "n": spec.n, "previews": spec.previews, "parameters": submission.parameters}
        return order | inputs

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:  # noqa: ARG002
        answers = [await ask(account, "GET", f"{self.base_url}/jobs/{task_id}") for task_id in task_ids]
        return {job["id"]: self.snapshot(job) for status, job in answers if status == 200}

    def snapshot(self, job: dict[str, Any]) -> Snapshot:
        assets = tuple(Asset(path, ours_only=True) for path in job["results"])
        newest = preview(job) if self.shows_previews else None
        shown = {"assets": assets, "preview": newest, "prompt": job["prompt"], "n": job["n"]}
        return Snapshot(job["id"], STATES[job["state"]], **shown)

    async def recent(self, account: Account) -> list[Snapshot]:  # noqa: ARG002
        raise AssertionError("only a listed back end is asked")

    async def cancel(self, task_id: str, account: Account) -> bool:
        return (await ask(account, "DELETE", f"{self.base_url}/jobs/{task_id}"))[0] == 200

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        headers = {"authorization": f"Bearer {account.token}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.get(f"{self.base_url}{asset.url}", headers=headers, raise_for_status=True) as answer,
            ):
                await asyncio.to_thread(destination.write_bytes, await answer.read())
        except aiohttp.ClientError as error:
            raise UpstreamUnavailable("the image does not come", code="result_unavailable") from error

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        """Do nothing: results are never linked."""

    async def probe(self, account: Account) -> None:
        await ask(account, "GET", f"{self.base_url}/jobs")

    async def close(self) -> None:
        """Do nothing: every call has its own connection."""
