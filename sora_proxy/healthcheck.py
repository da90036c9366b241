"""`python -m sora_proxy.healthcheck`: status 0 if the server of these settings is alive. For containers; needs no curl.

A module of its own, so that a check every few seconds does not load the whole program.
"""

import sys
import urllib.request

from sora_proxy.errors import ConfigurationError
from sora_proxy.settings.reading import load_settings

TIMEOUT_SECONDS = 5.0
# Listening on all addresses is reached by the one of this machine itself.
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def main() -> int:
    """Ask our own liveness route; returns the exit status."""
    try:
        settings = load_settings()
        host = ANY_ADDRESS.get(settings.api_host, settings.api_host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}/health/live"
        # No proxy of the environment may stand between a server and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            return 0 if answer.status == 200 else 1
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
