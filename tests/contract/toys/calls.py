"""The calls of the toys to their server, and what its answers mean."""

from collections.abc import Awaitable
from typing import Any

import aiohttp

from sora_proxy.errors import KeyRejected, RequestFault, ServerUnreachable, SubmissionUnknown, UpstreamUnavailable
from sora_proxy.settings.accounts import Account

TIMEOUT = aiohttp.ClientTimeout(total=60)


async def ask(account: Account, method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """The status and the JSON of an answer. Raises UpstreamUnavailable, ServerUnreachable or KeyRejected."""
    headers = {"authorization": f"Bearer {account.token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.request(method, url, json=body, headers=headers) as answer,
        ):
            if answer.status == 401:
                raise KeyRejected("the toy does not know the key")
            return answer.status, await answer.json()
    except aiohttp.ClientConnectorError as error:
        raise ServerUnreachable("the toy can't be reached") from error
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise UpstreamUnavailable("the toy does not answer") from error


async def sent(asking: Awaitable[tuple[int, Any]]) -> Any:
    """The JSON of the answer to an order: without an answer, it may have been registered."""
    try:
        status, answer = await asking
    except ServerUnreachable:  # nothing was sent
        raise
    except UpstreamUnavailable as error:
        raise SubmissionUnknown("the answer to the order did not come") from error
    if status == 400:
        raise RequestFault("the toy refused the order")
    return answer
