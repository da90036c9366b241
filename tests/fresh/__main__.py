"""`python -m tests.fresh`: prints a table of the systems; its exit status tells whether all is well."""

import argparse
import signal
import sys
from typing import Any

from tests.fresh.commands import BrokenError, make_run, make_test
from tests.fresh.debian import CHECKOUT, bare_system, obstacle

SUITES = ("bookworm", "trixie", "testing")
CACHE = CHECKOUT / ".fresh"
COLUMNS = (
    "Python",
    "banner s",
    "image s",
    "run MB",
    "set-up s",
    "test MB",
    "Debian packages",
    "passed",
    "skipped",
    "failed",
    "tests s",
)


def main() -> int:
    """Try the suites; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh", description="The README's commands on bare Debian.")
    parser.add_argument(
        "suites", nargs="*", default=SUITES, metavar="SUITE", help=f"all of {', '.join(SUITES)} if unset"
    )
    parser.add_argument("--only-run", action="store_true", help="leave `make test` out")
    options = parser.parse_args()
    if reason := obstacle():
        sys.exit(reason)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))  # what runs is ended then, and its folder removed
    CACHE.mkdir(exist_ok=True)
    rows = {suite: _tried(suite, only_run=options.only_run) for suite in options.suites}
    _show(rows)
    return 0 if all(row.get("passed", options.only_run) and not row["failed"] for row in rows.values()) else 1


def _tried(suite: str, *, only_run: bool) -> dict[str, Any]:
    """What was measured, by column."""
    row: dict[str, Any] = {"failed": 0}
    _say(suite, "copying the bare system, or making it by debootstrap (a minute)")
    try:
        with bare_system(suite, CACHE) as system:
            before = system.packages()
            row["Python"] = system.python()
            _say(suite, "make run")
            run = make_run(system, CACHE / f"{suite}-run.log")
            row |= {"banner s": f"{run.banner:.1f}", "image s": f"{run.image:.1f}", "run MB": run.size // 10**6}
            if not only_run:
                _say(suite, "make test")
                tests = make_test(system, CACHE / f"{suite}-test.log")
                row |= {
                    "set-up s": f"{tests.setup:.0f}",
                    "test MB": tests.size // 10**6,
                    "tests s": f"{tests.seconds:.0f}",
                }
                row |= {"passed": tests.counts["passed"], "skipped": tests.counts["skipped"]}
                row["failed"] = tests.counts["failed"] + tests.counts["error"]
            row["Debian packages"] = f"+{system.packages() - before}"
    except BrokenError as error:
        _say(suite, str(error))
        row["failed"] = "broken"
    return row


def _say(suite: str, text: str) -> None:
    print(f"{suite}: {text}", file=sys.stderr, flush=True)


def _show(rows: dict[str, dict[str, Any]]) -> None:
    lines = [
        ("suite", *COLUMNS),
        *((suite, *(str(row.get(name, "-")) for name in COLUMNS)) for suite, row in rows.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
