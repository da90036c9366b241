"""The programs that are measured. Each is a process with a separate folder, and ends when the benchmark ends."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import psutil

from tests.eventually import PATIENCE, eventually

ROOT = Path(__file__).parents[2]
LISTENS = re.compile(rb"listen(?:s|ing) on (http://\S+)")
STOP_SECONDS = 10.0
MIB = 2**20

TASKS_PER_KEY = 20
NOBODY = "http://127.0.0.1:9"  # an upstream that is never called
CLIENT_KEY = "sk-client-key-of-the-benchmarks"


@dataclass(slots=True)
class Usage:
    """CPU seconds (user and system) of a whole process, and of its main thread, on which the event loop is running."""

    process: float = 0.0
    loop: float = 0.0

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.process - other.process, self.loop - other.loop)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is listening at `url`. `start_seconds` is the time that its startup took."""

    url: str
    start_seconds: float
    _process: psutil.Process
    _child: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end(self, number: signal.Signals) -> int:
        """Send a signal that ends the program. Returns the exit status, which is negative if the signal itself ended
        the program.

        Raises TimeoutError if the program does not end.
        """
        self._child.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self._child.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def usage(self) -> Usage:
        """The CPU time used since the program was started. The kernel counts CPU time in steps of 10 ms."""
        whole = self._process.cpu_times()
        main = next(thread for thread in self._process.threads() if thread.id == self._process.pid)
        return Usage(whole.user + whole.system, main.user_time + main.system_time)

    @contextlib.contextmanager
    def measured(self) -> Iterator[Usage]:
        """The CPU time used during the block. The values are set at the end of the block."""
        before, used = self.usage(), Usage()
        yield used
        delta = self.usage() - before
        used.process, used.loop = delta.process, delta.loop

    def memory(self) -> float:
        """The current resident memory, in MiB."""
        return float(self._process.memory_info().rss / MIB)

    def peak_memory(self) -> float:
        """The peak of the resident memory since the program was started, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if found is None:
            raise RuntimeError("the kernel does not report the peak of the resident memory")
        return int(found[1]) / 1024


@dataclass(slots=True)
class Folder:
    """The folder for the files of the programs of one benchmark."""

    path: Path
    _started: int = field(default=0)

    def new(self) -> Path:
        """A folder for one more program."""
        self._started += 1
        folder = self.path / str(self._started)
        folder.mkdir()
        return folder


@contextlib.asynccontextmanager
async def program(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run `python -m arguments…` in a folder. The block begins when the program prints that it is listening."""
    log = folder / "errors.log"
    begun = time.perf_counter()
    own = {"PYTHONPATH": str(ROOT), **(environment or {})}
    process = await _start(folder, log, (sys.executable, "-m", *arguments), own)
    try:
        url = await _address(process, log)
        yield Program(url, time.perf_counter() - begun, psutil.Process(process.pid), process)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def foreign_program(
    folder: Path, url: str, ready: str, command: Sequence[str], environment: Mapping[str, str]
) -> AsyncIterator[Program]:
    """Run a command that listens at `url`. The block begins when the program answers at the path `ready`."""
    log = folder / "errors.log"
    begun = time.perf_counter()
    process = await _start(folder, log, command, environment, stdout=asyncio.subprocess.DEVNULL)
    try:
        await _answers(process, log, url + ready)
        yield Program(url, time.perf_counter() - begun, psutil.Process(process.pid), process)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def simulator(folder: Folder, *, seconds: float, more: Sequence[str] = ()) -> AsyncIterator[Program]:
    """An upstream that takes `seconds` for an image and has no queue; `more` contains additional options."""
    options = {"port": 0, "seconds": seconds, "queue-seconds": 0, "max-concurrent": TASKS_PER_KEY}
    arguments = [text for name, value in options.items() for text in (f"--{name}", f"{value:g}")]
    arguments += more
    async with program(folder.new(), "sora_proxy", "simulator", *arguments) as running:
        yield running


@contextlib.asynccontextmanager
async def sora_proxy(folder: Folder, upstream: str, *, keys: int, **settings: str) -> AsyncIterator[Program]:
    """sora_proxy itself, with its default settings unless a benchmark needs other values."""
    own = folder.new()
    async with program(own, "sora_proxy", environment=environment(own, upstream, keys) | settings) as running:
        yield running


def environment(own: Path, upstream: str, keys: int) -> dict[str, str]:
    """The settings of one sora_proxy in front of a server with Sora's web protocol."""
    accounts = [{"key": f"token-{n}", "max_rpm": 10_000, "max_concurrent": TASKS_PER_KEY} for n in range(keys)]
    return {
        "UPSTREAM": "sora",
        "SORA_BASE_URL": upstream,
        "API_KEYS": orjson.dumps(accounts).decode(),
        **own_settings(own),
    }


def own_settings(own: Path) -> dict[str, str]:
    """The settings of one sora_proxy, without those of its back end."""
    return {
        "API_HOST": "127.0.0.1",
        "API_PORT": "0",
        "API_AUTH_TOKEN": CLIENT_KEY,
        "ADMIN_KEY": "sk-admin-key-of-the-benchmarks",
        "DATA_DIR": str(own / "data"),
        "IMAGE_LOCALIZATION": "True",
        "LOG_FORMAT": "json",
    }


async def _start(
    folder: Path,
    log: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    # No setting from the environment of the benchmarks reaches a program, and the program's folder has no `.env`.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with log.open("ab") as errors:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**inherited, **environment},
            stdout=stdout,
            stderr=errors,
            start_new_session=True,  # CTRL-C reaches only this process, which ends the programs
        )


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """Wait for the line with the address on which the program is listening, and return the address."""
    if process.stdout is None:
        raise RuntimeError("a program has no output")
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            if found := LISTENS.search(line):
                return found[1].decode()
    raise RuntimeError(_did_not_start(log))


async def _answers(process: asyncio.subprocess.Process, log: Path, url: str) -> None:
    """Wait until the program answers."""

    async def look() -> bool:
        if process.returncode is not None:
            raise RuntimeError(_did_not_start(log))
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(url) as answer:
                return answer.status == 200
        return False

    async with aiohttp.ClientSession() as session:
        await eventually(look)


def _did_not_start(log: Path) -> str:
    return f"a program did not start:\n{log.read_text()[-4000:]}"


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop the program, or kill it if it does not stop."""
    if process.returncode is not None:
        return
    try:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
