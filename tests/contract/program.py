"""`python -m tests.contract.program`: the server as users run it, with the toys among its back ends."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from sora_proxy.__main__ import main
from sora_proxy.upstream.registry import BACKENDS
from tests.contract.toys import TOYS


def run() -> int:
    BACKENDS.update(TOYS)
    return main([])


def run_in(folder: Path, environment: dict[str, str], out: Connection) -> None:
    """Run the server in this new process as a command in a folder would. The log is a file in that folder."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out.fileno(), sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    sys.exit(run())


if __name__ == "__main__":
    sys.exit(run())
