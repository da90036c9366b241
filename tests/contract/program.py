"""`python -m tests.contract.program`: the server as users run it, with the toys among its back ends."""

import sys

from sora_proxy.__main__ import main
from sora_proxy.upstream.registry import BACKENDS
from tests.contract.toys import TOYS


def run() -> int:
    BACKENDS.update(TOYS)
    return main([])


if __name__ == "__main__":
    sys.exit(run())
