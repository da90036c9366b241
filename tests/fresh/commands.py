"""The commands of the README in a bare system, and their costs."""

import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.fresh.debian import System

LISTENS = re.compile(r"listens on (http://\S+)")
END_OF_BANNER = re.compile(r"^\s+-d '")
IMAGE = re.compile(r"!\[[^\]]*\]\((http[^)]+)\)")
TESTS_BEGIN = " -m pytest "  # a part of the command that make prints
TESTS_END = re.compile(r"^=+ (.*(?:passed|failed|error).*) in ([\d.]+)s")
COUNT = re.compile(r"(\d+) (passed|skipped|failed|error)")
MAX_RUN_SECONDS, MAX_TEST_SECONDS = 900, 5400
# The server is on this machine, so no proxy is used.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Lines = Iterator[tuple[float, str]]  # lines, each with the seconds since the command was started


class BrokenError(Exception):
    """A command of the README failed. The message names the missing result, and the file with the output."""


@dataclass(frozen=True, slots=True)
class Run:
    """`make run`: seconds until the banner, seconds from the banner to the image, and the final size of the clone in
    bytes."""

    banner: float
    image: float
    size: int


@dataclass(frozen=True, slots=True)
class Tests:
    """`make test`: the seconds that the set-up took, the final size of the clone in bytes, the number of tests with
    each result, and the seconds that the tests took."""

    setup: float
    size: int
    counts: Counter[str]
    seconds: float


def make_run(system: System, log: Path) -> Run:
    """Start the server, as `make run` does, and order one image. Raises BrokenError."""
    with _started(system, log, MAX_RUN_SECONDS, "make", "run") as lines:
        seconds, banner = _until_the_banner_ends(lines)
        url, key_file = LISTENS.search(banner), system.clone / "data" / "client_key"
        if url is None or "data/client_key" not in banner:
            raise BrokenError(f"no banner: see {log}")
        begun = time.monotonic()
        stream = _ordered(url[1], key_file.read_text().strip())
        link = IMAGE.search(stream)
        if link is None or not DIRECT.open(link[1]).read().startswith(b"\x89PNG"):
            raise BrokenError(f"no image: see {log}")
        return Run(seconds, time.monotonic() - begun, system.clone_size())


def make_test(system: System, log: Path) -> Tests:
    """Run the tests, as `make test` does. Raises BrokenError if they end without a result."""
    setup, size = 0.0, 0
    with _started(system, log, MAX_TEST_SECONDS, "make", "test") as lines:
        for seconds, line in lines:
            if TESTS_BEGIN in line:
                setup, size = seconds, system.clone_size()
            elif ended := TESTS_END.match(line):
                counts = Counter({what: int(number) for number, what in COUNT.findall(ended[1])})
                return Tests(setup, size, counts, float(ended[2]))
    raise BrokenError(f"the tests ended without a result: see {log}")


def _until_the_banner_ends(lines: Lines) -> tuple[float, str]:
    text = ""
    for seconds, line in lines:
        text += line
        if END_OF_BANNER.match(line):
            return seconds, text
    return 0.0, text


@contextlib.contextmanager
def _started(system: System, log: Path, most: float, *command: str) -> Iterator[Lines]:
    """Run a command until the block ends, or for `most` seconds. Yields the lines of the output."""
    with (
        log.open("w") as file,
        subprocess.Popen(
            system.entered(*command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # CTRL-C reaches only this process; the command is ended below
        ) as process,
    ):
        assert process.stdout is not None
        watchdog = threading.Timer(most, process.kill)
        watchdog.start()
        try:
            yield _lines(process.stdout, file)
        finally:
            watchdog.cancel()
            process.kill()


def _lines(output: IO[str], log: IO[str]) -> Lines:
    begun = time.monotonic()
    for line in output:
        seconds = time.monotonic() - begun
        log.write(f"[{seconds:6.2f}] {line}")
        log.flush()
        yield seconds, line


def _ordered(url: str, key: str) -> str:
    """Send an order as a chat, and return the whole stream."""
    body = {"model": "sora-1.0", "stream": True, "messages": [{"role": "user", "content": "a red fox in the snow"}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with DIRECT.open(request) as answer:
        text: str = answer.read().decode()
        return text
