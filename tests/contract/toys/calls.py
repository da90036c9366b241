"""The calls that the toys send to their server, and the meaning of its answers."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from sora_proxy.errors import KeyRejected, RequestFault, ServerUnreachable, SubmissionUnknown, UpstreamUnavailable
from sora_proxy.settings.accounts import Account

MAX_LINE = 2**24
OnPreview = Callable[[Any], Awaitable[None]]
TIMEOUT = aiohttp.ClientTimeout(total=60)


async def ask(
    account: Account, method: str, url: str, body: Any = None, on_preview: OnPreview | None = None
) -> tuple[int, Any]:
    """The status of an answer and the JSON of its last line; previews are on earlier lines.

    Raises UpstreamUnavailable, ServerUnreachable or KeyRejected.
    """
    headers = {"authorization": f"Bearer {account.token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, read_bufsize=MAX_LINE) as session,
            session.request(method, url, json=body, headers=headers) as answer,
        ):
            if answer.status == 401:
                raise KeyRejected("the toy does not know the key")
            last: Any = None
            async for line in answer.content:
                last = json.loads(line)
                if on_preview and "preview" in last:
                    await on_preview(last)
            return answer.status, last
    except aiohttp.ClientConnectorError as error:
        raise ServerUnreachable("the toy can't be reached") from error
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise UpstreamUnavailable("the toy does not answer") from error


async def sent(asking: Awaitable[tuple[int, Any]]) -> Any:
    """The JSON of the answer to an order. An order without an answer may have been registered."""
    try:
        status, answer = await asking
    except ServerUnreachable:  # nothing was sent
        raise
    except UpstreamUnavailable as error:
        raise SubmissionUnknown("The back end did not answer the order.") from error
    if status == 400:
        raise RequestFault("the toy refused the order")
    return answer
