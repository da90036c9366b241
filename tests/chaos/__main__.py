"""`python -m tests.chaos`: the long run. Prints a table; its exit status tells whether all is well."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.table import Row, bounded, exactly, show
from tests.chaos import kills
from tests.chaos.full_disk import on_a_full_disk
from tests.chaos.world import SETTLE_SECONDS, Outcome

LEAST_ORDERS, LEAST_KILLS = 300, 50
READY_SECONDS = 5.0
AIMED = tuple(kills.AIMS.values())


def main() -> int:
    """Run all parts; give the exit status."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sora_proxy-chaos-") as temporary:
        outcomes = asyncio.run(_run(Path(temporary)))
    rows = [row for name, outcome in outcomes.items() for row in _brief(name, outcome)]
    rows += _whole(outcomes.values())
    show(rows)
    print(f"\nIn {time.monotonic() - begun:.0f} s.")
    return 0 if all(row.met is not False for row in rows) else 1


async def _run(folder: Path) -> dict[str, Outcome | None]:
    return {
        "random, list lag 0.4 s, answers lost": await _part(folder, "1", kills.at_random, kills=30, orders=10),
        "random, list without prompts": await _part(
            folder, "2", kills.at_random, kills=12, orders=6, options=kills.NAMELESS
        ),
        "aimed at the submit": await _part(folder, "3", kills.aimed, *AIMED * 20),
        # Without `standing_still`: a list is asked for before the order then, and is what waits.
        "the same, list without prompts": await _part(folder, "4", kills.aimed, *AIMED[:3] * 3, options=kills.NAMELESS),
        "while an image comes in": await _part(folder, "5", kills.while_an_image_comes_in, kills=6),
        "crash loop": await _part(folder, "6", kills.in_a_crash_loop, kills=10),
        "stopped for 60 s": await _part(folder, "7", kills.stopped_and_continued, seconds=60),
        "full disk": await _part(folder, "8", on_a_full_disk),
    }


async def _part(folder: Path, name: str, way: Any, *aims: kills.Aim, **fields: Any) -> Outcome | None:
    print(f"{way.__name__.replace('_', ' ')} …", file=sys.stderr, flush=True)
    own = folder / name
    own.mkdir()
    dying: Coroutine[Any, Any, Outcome | None] = way(own, *aims, **fields)
    return await dying


def _brief(name: str, outcome: Outcome | None) -> list[Row]:
    if outcome is None:
        return [Row(name, "left out: nothing may be mounted here")]
    wrong = outcome.lost + outcome.doubled + outcome.crossed + outcome.unfinished
    return [Row(name, f"{outcome.ordered} orders, {outcome.kills} kills, {wrong} wrong", "0 wrong", wrong == 0)]


def _whole(outcomes: Iterable[Outcome | None]) -> list[Row]:
    whole = Outcome()
    for outcome in outcomes:
        whole += outcome or Outcome()
    return [
        Row("orders", str(whole.ordered), f"≥ {LEAST_ORDERS}", whole.ordered >= LEAST_ORDERS),
        Row("kills", str(whole.kills), f"≥ {LEAST_KILLS}", whole.kills >= LEAST_KILLS),
        *(exactly(name, getattr(whole, name), 0) for name in ("lost", "doubled", "crossed", "unfinished")),
        Row("process start to ready, median", f"{median(whole.starts):.3g} s"),
        bounded("the same, longest", max(whole.starts), READY_SECONDS, "s"),
        Row("ready to made, orders of unknown outcome, median", f"{median(whole.settled):.3g} s"),
        bounded("the same, longest", max(whole.settled), SETTLE_SECONDS + 15, "s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
