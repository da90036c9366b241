"""The back end for servers with Sora's web protocol, at `SORA_BASE_URL`. What we know of the protocol comes from public
clients of the Sora service, which closed in 2026.

This back end has three parts: the requests (here), the transport, which blocks (`sora_http.py`), and the meaning of the
answers (`sora_answers.py`).
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from sora_proxy.background import start_task
from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import (
    ConfigurationError,
    EgressFault,
    Fault,
    KeyRejected,
    ServerUnreachable,
    SubmissionUnknown,
    TaskFailed,
    UpstreamUnavailable,
    clear_frames,
)
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import CONTENT_TYPES, Abilities, BackendOptions, Capabilities, Identity, Snapshot, Submission
from sora_proxy.upstream.downloads import unfetched
from sora_proxy.upstream.http_call import Answer, CallFailed, HttpCall
from sora_proxy.upstream.result_addresses import ResultAddresses, look_up
from sora_proxy.upstream.sora_answers import TaskReader, fault_of, id_of, object_of
from sora_proxy.upstream.sora_http import SoraHttp

LIST_MARGIN = 20  # additional rows, because other programs may use the same account
MAX_LISTED = 100
DEEP_PAGES = 5
# First the sizes of the service's own page, then the sizes that OpenAI's clients request. Other sizes are accepted too.
SIZES = (
    (720, 480),
    (480, 720),
    (480, 480),
    (1024, 1024),
    (1536, 1024),
    (1024, 1536),
    (1792, 1024),
    (1024, 1792),
)
MODELS = ("sora-1.0", "sora-image")  # the documented name comes first, because clients offer the first one
CLOSED = {"https://sora.chatgpt.com": "2026-04-26"}
T = TypeVar("T")
Read = Callable[[Answer, HttpCall], T]  # returns what an answer contains, or raises the Fault that it reports
REFUSING = (400, 401, 402, 403, 407, 422, 429, 451)  # statuses after which an order is certainly not registered


class Sora:
    """A back end that speaks Sora's web protocol: the service itself, a compatible server, or the simulator."""

    polls_are_complete = False  # a list contains only the newest tasks, and may lag behind

    def __init__(self, options: BackendOptions, threads: BlockingPool, http: SoraHttp | None = None) -> None:
        self.name, self.base_url = options.name, options.base_url
        closed = CLOSED.get(options.base_url)
        abilities = Abilities(SIZES, max_images=4, max_references=1, shutdown_date=closed)
        self.capabilities = Capabilities(dict.fromkeys(MODELS, abilities), images_model="sora-image", others=abilities)
        if options.more:
            raise ConfigurationError(
                [f"BACKENDS: {options.name}: {min(options.more)!r} is not an option of this kind of back end"]
            )
        self.identity, self.links_results = Identity.listed, options.links_results
        self.names_tasks: bool | None = None
        self.max_concurrent: int | None = None
        self._extra_headers = options.extra_headers
        self._deadlines = options.deadlines
        self._http = http or SoraHttp()
        self._threads = threads
        self._tasks = TaskReader()
        self._addresses = ResultAddresses(options.base_url, options.result_allow)

    async def ask_capabilities(self, account: Account) -> Capabilities:  # noqa: ARG002
        return self.capabilities  # the protocol has no call for capabilities

    async def may_have_changed(self) -> bool:
        return False

    async def upload(self, image: Path, account: Account) -> str:
        call = self._call(account, "POST", "/backend/uploads", self._deadlines.upload, page="library")
        content = await self._threads.run(Work.media, image.read_bytes)
        file = (image.name, content, CONTENT_TYPES[image.suffix])
        call.body = {"files": {"file": file}, "data": {"file_name": image.name}}
        return await self._ask(Work.submit, call, _upload_id)

    async def submit(self, submission: Submission) -> str:
        spec, images = submission.spec, submission.images
        order = {
            "type": "image_gen",
            "operation": "remix" if images else "simple_compose",
            "prompt": spec.prompt,
            "n_variants": spec.n,
            "n_frames": 1,
            "width": spec.width,
            "height": spec.height,
            "inpaint_items": [_inpaint_item(image.upload_id) for image in images],
        }
        call = self._call(submission.account, "POST", "/backend/video_gen", self._deadlines.submit, page="explore")
        call.headers["content-type"] = "application/json"
        call.body = {"data": orjson.dumps(order)}
        try:
            return await self._run(Work.submit, call, _task_id)
        except CallFailed as failure:
            if failure.sent:
                raise SubmissionUnknown("The back end did not confirm whether it accepted the order.") from failure
            raise _not_sent(failure, call) from failure

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:
        wanted = set(task_ids)
        limit = min(len(wanted) + LIST_MARGIN, MAX_LISTED)
        found: dict[str, Snapshot] = {}
        before = None
        for _ in range(DEEP_PAGES if deep else 1):
            rows, before = await self._list(account, limit, before)
            found |= {row.task_id: row for row in rows if row.task_id in wanted}
            if len(found) == len(wanted) or before is None:
                break
        return found

    async def recent(self, account: Account) -> list[Snapshot]:
        rows, _ = await self._list(account, MAX_LISTED, None)
        return rows

    async def cancel(self, task_id: str, account: Account) -> bool:  # noqa: ARG002
        return False  # no public client shows how to end a task

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        # The account's token is not sent, because results are on a media host, at addresses that are themselves secret.
        call = HttpCall(
            account.key_id,
            "GET",
            asset.url,
            {"accept": "image/*"},
            seconds=self._deadlines.download,
            destination=destination,
            egress=account.egress,
            public_only=self._addresses.must_be_public(asset.url, account),
        )
        await self._ask(Work.download, call, _check_fetched)

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        direct = account is None or account.egress is None
        if self._addresses.must_be_public(asset.url, account) and direct:
            await self._threads.run(Work.download, look_up, asset.url)

    async def probe(self, account: Account) -> None:
        call = self._call(account, "GET", "/backend/parameters", self._deadlines.poll)
        await self._ask(Work.probe, call, _check_account)

    async def close(self) -> None:
        self._http.close()

    async def _list(self, account: Account, limit: int, before: str | None) -> tuple[list[Snapshot], str | None]:
        """One page of the account's tasks, newest first, and the `before` of the next page, if there is one."""
        query = f"?limit={limit}" + (f"&before={quote(before, safe='')}" if before else "")
        call = self._call(account, "GET", f"/backend/video_gen{query}", self._deadlines.poll)
        tasks, last = await self._ask(Work.poll, call, self._page)
        if tasks:
            self.names_tasks = any(task.prompt is not None for task in tasks)
        return tasks, last

    def _page(self, answer: Answer, call: HttpCall) -> tuple[list[Snapshot], str | None]:
        return self._tasks.page(_object(answer, call))

    def _call(self, account: Account, method: str, path: str, seconds: float, *, page: str = "library") -> HttpCall:
        base = account.base_url or self.base_url
        headers = {
            "accept": "*/*",
            "accept-language": "en-US,en;q=0.9",
            **({"authorization": f"Bearer {account.token}"} if account.token else {}),
            "referer": f"{base}/{page}",
            **self._extra_headers,
            **account.headers,
        }
        return HttpCall(account.key_id, method, base + path, headers, seconds=seconds, egress=account.egress)

    async def _ask(self, work: Work, call: HttpCall, read: Read[T]) -> T:
        """Make a call that registers nothing, and return the result of `read` for its answer.

        Such a call can be repeated after any error. A cancelled call ends at once.
        """
        running = start_task(self._run(work, call, read), name=f"{work} call", awaited=True)
        try:
            return await asyncio.shield(running)
        except CallFailed as failure:
            raise _not_sent(failure, call) from failure
        except asyncio.CancelledError:
            call.abort()
            await asyncio.wait([running])
            running.exception()  # the exception is retrieved, so that asyncio does not log it
            raise

    async def _run(self, work: Work, call: HttpCall, read: Read[T]) -> T:
        timer = asyncio.get_running_loop().call_later(call.seconds, call.abort)
        try:
            return await self._threads.run(work, self._exchange, call, read)
        finally:
            timer.cancel()

    def _exchange(self, call: HttpCall, read: Read[T]) -> T:
        """Make a call and read its answer. Runs on a thread, since parsing a large answer would block the event
        loop."""
        try:
            return read(self._http.call(call), call)
        except Exception as error:
            clear_frames(error)
            raise


def _object(answer: Answer, call: HttpCall) -> dict[str, Any]:
    if not answer.is_good:
        raise fault_of(answer, call.egress)
    return object_of(answer)


def _upload_id(answer: Answer, call: HttpCall) -> str:
    media_id = id_of(_object(answer, call))
    if media_id is None:
        raise UpstreamUnavailable("The back end did not accept the reference image.")
    return media_id


def _check_fetched(answer: Answer, call: HttpCall) -> None:
    if not answer.is_good:
        if isinstance(fault := fault_of(answer, call.egress), EgressFault):
            raise fault
        raise unfetched(answer.status)


def _check_account(answer: Answer, call: HttpCall) -> None:
    if answer.status in (404, 405):  # the server lacks this route, so the answer does not show whether the key works
        return
    if _object(answer, call).get("can_create_images") is False:
        raise KeyRejected("The account is not allowed to make images.")


def _task_id(answer: Answer, call: HttpCall) -> str:
    """The id of the order's task. Only a definite refusal proves that there is no task."""
    if answer.status in REFUSING or answer.headers.get("cf-mitigated") == "challenge":
        raise fault_of(answer, call.egress)
    try:
        body = object_of(answer) if answer.status == 200 else {}
    except UpstreamUnavailable:
        body = {}
    if not isinstance(body.get("id"), str) or not body["id"]:
        raise SubmissionUnknown(
            f"The back end answered with status {answer.status}. It is unknown whether it accepted the order."
        )
    if (task_id := id_of(body)) is None:  # the task can't be found in a list, and the order must not be sent again
        raise TaskFailed("The back end gave the task an id that can't be used.")
    return task_id


def _not_sent(failure: CallFailed, call: HttpCall) -> Fault:
    if failure.proxy:
        return EgressFault("The connection through the proxy failed.", code="upstream_proxy", egress=call.egress)
    if call.connecting and call.destination is None:  # a download comes from another server
        return ServerUnreachable("The back end can't be reached.")
    return UpstreamUnavailable(f"A call to the back end failed: {failure}.")


def _inpaint_item(media_id: str) -> dict[str, Any]:
    return {
        "type": "image",
        "frame_index": 0,
        "preset_id": None,
        "generation_id": None,
        "upload_media_id": media_id,
        "source_start_frame": 0,
        "source_end_frame": 0,
        "crop_bounds": None,
    }
