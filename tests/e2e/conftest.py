"""The program as its users run it: real processes, started from the command line."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import CLIENT_KEY
from tests.eventually import PATIENCE

CHECKOUT = Path(__file__).parents[2]
LEGACY_SDK = CHECKOUT / ".openai-0.28"  # where `make test` installs openai 0.28.1
LISTENS = re.compile(r"listens on .*?(http://\S+)")
SIMULATOR = re.compile(r"the built-in simulator on (http://\S+)")


def paste(line: str, folder: Path, **variables: str) -> str:
    """Run a pasted line in a shell with these variables. On a machine without curl, a Python script replaces curl."""
    tools = folder / "tools"
    if shutil.which("curl") is None:
        tools.mkdir(exist_ok=True)
        stand_in = tools / "curl"
        stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {CHECKOUT}/tests/e2e/curl.py "$@"\n')
        stand_in.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    environment = clean_environment(**variables, PATH=path)
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


@dataclass
class Program:
    """A running `python -m sora_proxy`; `said` is what it printed at startup."""

    process: subprocess.Popen[str]
    url: str
    said: str
    folder: Path

    @property
    def key(self) -> str:
        return (self.folder / "data" / "client_key").read_text().strip()

    @property
    def admin_key(self) -> str:
        return (self.folder / "data" / "admin_key").read_text().strip()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ask(self, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request with this key; returns the status and the JSON of the answer."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def order_fault(self, fault: str, **parameters: Any) -> None:
        """Inject a fault into the built-in simulator."""
        found = SIMULATOR.search(self.said)
        assert found is not None, self.said
        body = json.dumps({"fault": fault, **parameters}).encode()
        with urllib.request.urlopen(f"{found[1]}/simulator/faults", body) as answer:
            assert answer.status == 201

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def curl_line(said: str) -> str:
    """The command that the program prints, as a user would paste it."""
    return said[said.index("curl -N") :].strip()


StartProgram = Callable[..., AbstractContextManager[Program]]


def clean_environment(**variables: str) -> dict[str, str]:
    """These variables, plus the variables of the environment that are not settings of the server."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | variables


@contextlib.contextmanager
def running_program(folder: Path, *arguments: str, **variables: str) -> Iterator[Program]:
    """Run the program in a folder, with these environment variables, on a port that the system chooses."""
    with _running(folder, arguments, variables, os.pipe()) as program:
        yield program


@contextlib.contextmanager
def running_on_terminal(folder: Path, **variables: str) -> Iterator[Program]:
    """Run the program with a terminal as its output."""
    with _running(folder, (), variables, os.openpty()) as program:
        yield program


@contextlib.contextmanager
def _running(
    folder: Path, arguments: Sequence[str], variables: dict[str, str], output: tuple[int, int]
) -> Iterator[Program]:
    # Servers claim keys in the temporary folder. It is separate for each test, because tests use the same key names.
    usual = {"API_HOST": "127.0.0.1", "API_PORT": "0", "SIMULATOR_SECONDS": "0.5", "TMPDIR": str(folder)}
    settings = usual | variables
    reading, writing = output
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *(arguments or ("-m", "sora_proxy"))],
            cwd=folder,
            env=clean_environment(**settings),
            stdout=writing,
            stderr=log,
            text=True,
        )
    os.close(writing)
    out = os.fdopen(reading, errors="replace")
    try:
        said = read_banner(out)
        found = LISTENS.search(said)
        assert found is not None, (folder / "log").read_text()
        yield Program(process, found[1], said, folder)
    finally:
        process.kill()
        process.wait()
        out.close()


@contextlib.contextmanager
def running_simulator(*options: str) -> Iterator[str]:
    """Run the simulator in a separate process; yields the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sora_proxy", "simulator", "--port", "0", *options],
        env=clean_environment(),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def start_program(tmp_path: Path) -> StartProgram:
    """Run the program in the temporary folder of the test."""
    return functools.partial(running_program, tmp_path)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program that all tests of a module share."""
    folder = tmp_path_factory.mktemp("program")
    with running_program(folder, API_AUTH_TOKEN=CLIENT_KEY, POLL_INTERVAL="0.1") as program:
        yield program


@pytest.fixture(scope="module")
def url(program: Program) -> str:
    """The API of the shared program."""
    return f"{program.url}/v1"


def read_banner(out: IO[str]) -> str:
    """The output of the program, up to the last line of the curl command."""
    lines = []
    for line in out:
        lines.append(line)
        if line.strip().startswith("-d '"):
            break
    return "".join(lines)
