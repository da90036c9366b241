"""`python -m tests.contract.program`: the server as users run it, with the toys among its back ends."""

import sys

from sora_proxy.__main__ import main
from sora_proxy.upstream.registry import BACKENDS
from tests.contract.toys.blind import Blind
from tests.contract.toys.jobs import JobToy
from tests.contract.toys.listed import Listed
from tests.contract.toys.named import Named
from tests.contract.toys.synchronous import Synchronous

TOYS: dict[str, type[JobToy]] = {
    "blind": Blind,
    "listed": Listed,
    "named": Named,
    "synchronous": Synchronous,
}


def run() -> int:
    BACKENDS.update(TOYS)
    return main([])


if __name__ == "__main__":
    sys.exit(run())
