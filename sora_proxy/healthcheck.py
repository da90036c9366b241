"""The health check for containers: `python -m sora_proxy.healthcheck` exits with status 0 if the server is alive.

It runs every few seconds, so it is a separate module that does not load the whole program. With it, container images
need no curl.
"""

import socket
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.listening import socket_path
from sora_proxy.settings.reading import load_settings

TIMEOUT_SECONDS = 5.0
# A server that listens on all addresses is reached at the loopback address.
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def main() -> int:
    """Call the liveness route at the first address, and return the exit status."""
    try:
        settings = load_settings()
        address = settings.api_host[0]
        connection = (
            _UnixConnection(path)
            if (path := socket_path(address))
            else HTTPConnection(ANY_ADDRESS.get(address, address), settings.api_port, timeout=TIMEOUT_SECONDS)
        )
        connection.request("GET", "/health/live")
        return 0 if connection.getresponse().status == 200 else 1
    except (ConfigurationError, OSError, HTTPException) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
