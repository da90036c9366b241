"""`python -m tests.chaos`: the long run. Prints a table; the exit status is 0 if all goals are met."""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.table import Row, at_least, bounded, exactly, show
from tests.chaos import comfyui_kills, kills, single_calls, toy_kills
from tests.chaos.full_disk import on_a_full_disk
from tests.chaos.world import SETTLE_SECONDS, Outcome

LEAST_ORDERS, LEAST_KILLS = 300, 50
READY_SECONDS = 5.0


def main() -> int:
    """Run all parts; return the exit status."""
    begun = time.monotonic()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # the toys end connections on purpose
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
        "at points of the submit": await _part(folder, "3", kills.aimed, *kills.AIMS * 20),
        "at points of the submit, list without prompts": await _part(
            folder, "4", kills.aimed, *kills.NAMELESS_AIMS * 3, options=kills.NAMELESS
        ),
        "during the download of an image": await _part(folder, "5", kills.during_a_download, kills=6),
        "crash loop": await _part(folder, "6", kills.in_a_crash_loop, kills=10),
        "stopped for 60 s": await _part(folder, "7", kills.stopped_and_continued, seconds=60),
        "full disk": await _part(folder, "8", on_a_full_disk),
        **await _with_toys(folder),
        "ComfyUI, two servers, random": await _part(folder, "comfyui", comfyui_kills.at_random, kills=15, orders=8),
        "single calls, random": await _part(folder, "single calls", single_calls.at_random, kills=20, orders=8),
    }


async def _with_toys(folder: Path) -> dict[str, Outcome | None]:
    outcomes = {}
    for kind, aims in toy_kills.AIMS.items():
        outcomes[f"{kind} back end, random"] = await _part(
            folder, f"{kind} 1", toy_kills.at_random, kind, kills=12, orders=8
        )
        outcomes[f"{kind} back end, at each step"] = await _part(folder, f"{kind} 2", toy_kills.aimed, kind, *aims * 4)
    for on_lost in ("fail", "requeue"):
        outcomes[f"forgetful back end, ON_LOST={on_lost}"] = await _part(
            folder, f"forgetful {on_lost}", toy_kills.forgotten, kills=4, orders=4, on_lost=on_lost
        )
    return outcomes


async def _part(folder: Path, name: str, way: Any, *arguments: Any, **fields: Any) -> Outcome | None:
    print(f"{way.__name__.replace('_', ' ')} …", file=sys.stderr, flush=True)
    own = folder / name
    own.mkdir()
    dying: Coroutine[Any, Any, Outcome | None] = way(own, *arguments, **fields)
    return await dying


def _brief(name: str, outcome: Outcome | None) -> list[Row]:
    if outcome is None:
        return [Row(name, "skipped: mounting is not permitted here")]
    counts = f"{outcome.ordered} orders, {outcome.kills} kills, {outcome.wrong} wrong"
    reported = f"{outcome.unknown} unknown, {outcome.upstream_lost} lost by the back end"
    return [Row(name, f"{counts}, {reported}", "0 wrong", outcome.wrong == 0)]


def _whole(outcomes: Iterable[Outcome | None]) -> list[Row]:
    whole = Outcome()
    for outcome in outcomes:
        whole += outcome or Outcome()
    return [
        Row("orders", str(whole.ordered), f"≥ {LEAST_ORDERS}", whole.ordered >= LEAST_ORDERS),
        Row("kills", str(whole.kills), f"≥ {LEAST_KILLS}", whole.kills >= LEAST_KILLS),
        *(exactly(name, getattr(whole, name), 0) for name in ("lost", "doubled", "crossed", "unfinished")),
        at_least("reported as outcome_unknown", whole.unknown, 1, "orders"),
        at_least("reported as upstream_lost", whole.upstream_lost, 1, "orders"),
        Row("process start to ready, median", f"{median(whole.starts):.3g} s"),
        bounded("process start to ready, longest", max(whole.starts), READY_SECONDS, "s"),
        Row("ready to image, orders of unknown outcome, median", f"{median(whole.settled):.3g} s"),
        bounded("ready to image, orders of unknown outcome, longest", max(whole.settled), SETTLE_SECONDS + 15, "s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
