"""An order as a back end gets it."""

from pathlib import Path

from sora_proxy.event_log import Preview, Progress
from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Submission


async def report(_progress: Progress | Preview) -> None:
    """Ignore progress."""


def submission(account: Account) -> Submission:
    """An order without a reference image."""
    return Submission(
        GenerationSpec("sora-1.0", "a red fox"), account, "sora-1.0", 1, "attempt", {}, (), None, Path, report
    )
