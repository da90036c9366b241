"""PublicFetcher: fetches images of bounded size from addresses that clients send, on permitted hosts only."""

from collections.abc import Iterable

import aiohttp

from sora_proxy.foreign.public_http import AddressRefused, PublicHttp

MAX_BYTES = 10 * 2**20


class PublicFetcher:
    """Fetches from public addresses, and from the hosts in `allowed` (`host` or `host:port`)."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._http = PublicHttp("the image's address", allowed)

    async def fetch(self, address: str) -> bytes:
        """The bytes at an http(s) address, at most `MAX_BYTES`. Raises AddressRefused."""
        async with self._http.request("GET", address, headers={"accept": "image/*"}) as response:
            return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise AddressRefused(f"the image's address answered with status {response.status}")
    content = bytearray()
    async for chunk in response.content.iter_chunked(2**16):
        content += chunk
        if len(content) > MAX_BYTES:
            raise AddressRefused(f"the image is larger than {MAX_BYTES // 2**20} MiB")
    return bytes(content)
