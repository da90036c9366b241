"""`python -m tests.chaos.impatient`: the server, with the toys among its back ends, which soon gives up a lost task.

It polls a lost task for one second, whereas the normal server polls it for two minutes.
"""

import sys

from sora_proxy.orders import watcher
from tests.contract.program import run

if __name__ == "__main__":
    watcher.LOST_TASK_SECONDS = 1.0
    sys.exit(run())
