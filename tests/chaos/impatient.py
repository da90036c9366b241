"""`python -m tests.chaos.impatient`: the server, with the toys among its back ends and a short limit for lost tasks.

This server gives up a lost task after one second of polls. The normal server polls a lost task for two minutes.
"""

import sys

from sora_proxy.orders import watcher
from tests.contract.program import run

if __name__ == "__main__":
    watcher.LOST_TASK_SECONDS = 1.0
    sys.exit(run())
