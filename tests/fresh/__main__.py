"""`python -m tests.fresh`: prints a table of the systems; the exit status is 0 if everything works."""

import argparse
import signal
import subprocess
import sys

from tests.fresh.commands import BrokenError, make_run, make_test
from tests.fresh.debian import CHECKOUT, System, bare_system, obstacle

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

Row = dict[str, str | int]  # by column; a column that was not measured is missing


def main() -> int:
    """Test the suites; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh", description="The README's commands on bare Debian.")
    parser.add_argument(
        "suites", nargs="*", default=SUITES, metavar="SUITE", help=f"all of {', '.join(SUITES)} if unset"
    )
    parser.add_argument("--only-run", action="store_true", help="skip `make test`")
    options = parser.parse_args()
    if reason := obstacle():
        sys.exit(reason)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))  # exiting ends the running command, and removes its folder
    CACHE.mkdir(exist_ok=True)
    rows = {suite: _tried(suite, only_run=options.only_run) for suite in options.suites}
    _show(rows)
    return 0 if all(row.get("passed", options.only_run) and not row["failed"] for row in rows.values()) else 1


def _tried(suite: str, *, only_run: bool) -> Row:
    """The measurements of one suite, by column."""
    _say(suite, "copying the bare system, or creating it with debootstrap (takes a minute)")
    try:
        with bare_system(suite, CACHE) as system:
            return _measured(suite, system, only_run=only_run)
    except (BrokenError, OSError, subprocess.CalledProcessError) as error:
        _say(suite, str(error))
        return {"failed": "broken"}


def _measured(suite: str, system: System, *, only_run: bool) -> Row:
    packages, empty = system.packages(), system.clone_size()
    _say(suite, "make run")
    run = make_run(system, CACHE / f"{suite}-run.log")
    row: Row = {"Python": system.python(), "banner s": round(run.banner), "image s": round(run.image)}
    row |= {"run MB": (run.size - empty) // 10**6, "failed": 0}
    if not only_run:
        _say(suite, "make test")
        tests = make_test(system, CACHE / f"{suite}-test.log")
        row |= {
            "set-up s": round(tests.setup),
            "test MB": (tests.size - empty) // 10**6,
            "tests s": round(tests.seconds),
        }
        row |= {"passed": tests.counts["passed"], "skipped": tests.counts["skipped"]}
        row["failed"] = tests.counts["failed"] + tests.counts["error"]
    return row | {"Debian packages": f"+{system.packages() - packages}"}


def _say(suite: str, text: str) -> None:
    print(f"{suite}: {text}", file=sys.stderr, flush=True)


def _show(rows: dict[str, Row]) -> None:
    lines = [
        ("suite", *COLUMNS),
        *((suite, *(str(row.get(name, "-")) for name in COLUMNS)) for suite, row in rows.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
