"""The back end for servers with OpenAI's Images API, such as OpenAI itself and Azure, each with its own profile. Two
related APIs are supported here too, because their answers also contain the image: chat completions and Google's Gemini.

The request is the job: an order is one call, whose answer contains the images. A call that breaks off may have been
charged, and its outcome stays unknown.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from sora_proxy.blocking import BlockingPool, Work
from sora_proxy.errors import ConfigurationError, EgressFault, KeyFault, UpstreamUnavailable
from sora_proxy.foreign.bounded_json import read_json
from sora_proxy.foreign.instance import INSTANCE_HEADER, header_with
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import (
    BackendOptions,
    Capabilities,
    Identity,
    InputImage,
    Made,
    Snapshot,
    Submission,
)
from sora_proxy.upstream.downloads import Downloads
from sora_proxy.upstream.http_client import Call, HttpClient
from sora_proxy.upstream.openai_images.answers import Reader
from sora_proxy.upstream.openai_images.dialects import DIALECTS
from sora_proxy.upstream.openai_images.faults import LOOPS, fault_of
from sora_proxy.upstream.openai_images.models import capabilities_of
from sora_proxy.upstream.openai_images.orders import Input
from sora_proxy.upstream.openai_images.profiles import Wire, profile_of

OPTIONS = {"profile", "query", "organization", "project"}
OPTION = re.compile(r"[!-~]{1,500}")
MAX_LIST_BYTES = 2**20
MAX_MODELS = 5000


class OpenAIImages:
    """One back end of this kind."""

    identity = Identity.synchronous
    names_tasks: bool | None = None
    polls_are_complete = False
    links_results = False

    def __init__(self, options: BackendOptions, threads: BlockingPool) -> None:
        self._more = _checked(options)
        self.name, self.base_url = options.name, options.base_url
        self._profile = profile_of(options.name, options.base_url, self._more.get("profile"))
        self._dialect = DIALECTS[self._profile.wire]
        self.max_concurrent = self._profile.max_concurrent
        self.capabilities = self._profile.capabilities
        self._options = options
        self._threads = threads
        self._http = HttpClient()
        self._downloads = Downloads(options, self._http, threads)

    async def ask_capabilities(self, account: Account) -> Capabilities:
        if self._profile.models_path is None:
            return self.capabilities
        listed = await self._get(self._profile.models_path, account)
        rows = self._dialect.models_in(listed) if isinstance(listed, dict) else None
        if not isinstance(rows, list):
            raise UpstreamUnavailable("The back end's list of models can't be read.")
        return capabilities_of(rows[:MAX_MODELS], self._profile)

    async def may_have_changed(self) -> bool:
        return False

    async def upload(self, image: Path, account: Account) -> str:  # noqa: ARG002
        return ""  # images are sent with the order

    async def submit(self, submission: Submission) -> Made:
        account = submission.account
        all_inputs = [*submission.images, *([submission.mask] if submission.mask else [])]
        order = await self._threads.run(
            Work.media, lambda: self._dialect.order_of(submission, self._profile, _read(all_inputs))
        )
        headers = self._headers(account, submission.spec.via)
        headers |= {"content-type": order.content_type} if order.content_type else {}
        call = Call("POST", self._url(account, order.path), account.egress, None, headers, order.body, is_order=True)
        reader = Reader(submission, self._profile, account.base_url or self.base_url, self._threads)
        async with self._http.answer(call) as answer:
            return await reader.results(answer)

    async def poll(self, task_ids: Sequence[str], account: Account, *, deep: bool) -> dict[str, Snapshot]:  # noqa: ARG002
        return {}

    async def recent(self, account: Account) -> list[Snapshot]:  # noqa: ARG002
        return []

    async def cancel(self, task_id: str, account: Account) -> bool:  # noqa: ARG002
        return False  # closing the connection stops neither the work nor the charge

    async def fetch(self, asset: Asset, account: Account, destination: Path) -> None:
        # The image in a chat answer may be at any address, and the key must not be sent there.
        headers = {} if self._profile.wire is Wire.chat else self._headers(account)
        await self._downloads.fetch(asset, account, destination, headers)

    async def check_link(self, asset: Asset, account: Account | None) -> None:
        await self._downloads.check_link(asset, account)

    async def probe(self, account: Account) -> None:
        path = self._profile.probe_path or self._profile.models_path
        if path is not None:  # without a free call, the next order shows whether the key works
            await self._get(path, account)

    async def close(self) -> None:
        await self._http.close()

    async def _get(self, path: str, account: Account) -> Any:
        """The JSON of a free call. Raises KeyFault, EgressFault or UpstreamUnavailable."""
        seconds = self._options.deadlines.poll
        call = Call("GET", self._url(account, path), account.egress, seconds, self._headers(account))
        async with self._http.answer(call) as answer:
            document = await _json_of(answer)
            if answer.status == 200:
                return document
            fault = fault_of(answer.status, answer.headers, document, account, self._profile)
        if isinstance(fault, KeyFault | EgressFault):
            raise fault
        if fault.code in LOOPS:
            raise UpstreamUnavailable(str(fault))
        raise UpstreamUnavailable(f"The back end answered {path} with status {answer.status}. Check its address.")

    def _url(self, account: Account, path: str) -> str:
        url, query = (account.base_url or self.base_url) + path, self._more.get("query", self._profile.query)
        return f"{url}{'&' if '?' in path else '?'}{query}" if query else url

    def _headers(self, account: Account, via: tuple[str, ...] = ()) -> dict[str, str]:
        more, token = self._more, account.token
        key = token if self._profile.key_header != "authorization" else f"Bearer {token}"
        own = {"OpenAI-Organization": more.get("organization"), "OpenAI-Project": more.get("project")}
        headers = {INSTANCE_HEADER: header_with(via, self._options.instance)}
        headers |= {self._profile.key_header: key} if token else {}
        headers |= {name: value for name, value in own.items() if value}
        return {**headers, **self._options.extra_headers, **account.headers}


async def _json_of(answer: aiohttp.ClientResponse) -> Any:
    """The JSON of a short answer; None if the answer is not JSON, or is too long."""
    text = bytearray()
    async for chunk in answer.content.iter_any():
        text += chunk
        if len(text) > MAX_LIST_BYTES:
            return None
    try:
        return read_json(bytes(text))
    except ValueError:
        return None


def _checked(options: BackendOptions) -> Mapping[str, str]:
    """The options of this kind of back end. Raises ConfigurationError."""
    for name, value in options.more.items():
        if name not in OPTIONS:
            raise ConfigurationError([f"BACKENDS: {options.name}: {name!r} is not an option of this kind of back end"])
        if not isinstance(value, str) or not OPTION.fullmatch(value):
            raise ConfigurationError([f"BACKENDS: {options.name}: {name!r} must be a string without spaces"])
    return options.more


def _read(images: Sequence[InputImage]) -> Mapping[InputImage, Input]:
    return {image: Input(image.file.read_bytes(), image.content_type) for image in images}
