"""The health check for containers: `python -m sora_proxy.healthcheck` exits with status 0 if the server is alive.

It runs every few seconds, so it is a separate module, which does not load the whole program. Container images need no
curl for it.
"""

import sys
import urllib.request

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.reading import load_settings

TIMEOUT_SECONDS = 5.0
# A server that listens on all addresses is reached at the loopback address.
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def main() -> int:
    """Call the liveness route; returns the exit status."""
    try:
        settings = load_settings()
        host = ANY_ADDRESS.get(settings.api_host, settings.api_host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}/health/live"
        # A proxy from the environment must not be used for a call within one machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            return 0 if answer.status == 200 else 1
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
