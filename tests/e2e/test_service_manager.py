"""The program under a service manager: signals, notifications, and the unit for systemd."""

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CHECKOUT, LISTENS, StartProgram, clean_environment
from tests.eventually import PATIENCE, eventually

UNIT = CHECKOUT / "config" / "deploy" / "sora_proxy.service"


@contextlib.contextmanager
def hanging_up(process: subprocess.Popen[str]) -> Iterator[None]:
    """Send SIGHUP again and again until the block ends."""
    ended = threading.Event()

    def hang_up() -> None:
        while not ended.wait(0.001):
            process.send_signal(signal.SIGHUP)

    storm = threading.Thread(target=hang_up)
    storm.start()
    try:
        yield
    finally:
        ended.set()
        storm.join()


def test_sighup_reloads_the_key_file_and_never_ends_the_program(start_program: StartProgram, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"key": "Bearer one"}]')
    with start_program(KEYS_STORAGE_FILE="keys.json", SORA_BASE_URL="http://127.0.0.1:9") as program:

        async def reloaded() -> bool:
            return '"event":"key file reloaded"' in await asyncio.to_thread(lambda: program.log)

        with hanging_up(program.process):
            asyncio.run(eventually(reloaded))
            assert program.stop() == 0
    assert '"event":"server stopped","clean":true' in program.log


def test_the_program_ignores_sighup_before_it_imports_its_modules(tmp_path: Path) -> None:
    script = """
import contextlib, signal, sys
sys.modules["argparse"] = None  # its import is the first one that fails
with contextlib.suppress(ImportError):
    import sora_proxy.__main__
print(signal.getsignal(signal.SIGHUP).name)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "SIG_IGN\n"


def test_sighup_during_startup_does_not_end_the_program(tmp_path: Path) -> None:
    """The first line of the log is written long before the server is listening."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sora_proxy"],
        cwd=tmp_path,
        env=clean_environment(API_HOST="127.0.0.1", API_PORT="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "database opened" in process.stderr.readline()
        with hanging_up(process):
            assert LISTENS.search(process.stdout.readline())
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_service_manager_is_notified_of_startup_and_shutdown(
    start_program: StartProgram, socket_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(socket_path))
        manager.settimeout(PATIENCE)
        with start_program(NOTIFY_SOCKET=str(socket_path)) as program:
            assert manager.recv(100) == b"READY=1"
            assert program.stop() == 0
            assert manager.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("addresses", ["unix:{path},127.0.0.1", "127.0.0.1,unix:{path}"])
def test_the_health_check_calls_the_first_address_of_api_host(
    start_program: StartProgram, tmp_path: Path, socket_path: Path, addresses: str
) -> None:
    def status(port: str) -> int:
        settings = {"API_HOST": addresses.format(path=socket_path), "API_PORT": port}
        command = [sys.executable, "-m", "sora_proxy.healthcheck"]
        return subprocess.run(command, cwd=tmp_path, env=clean_environment(**settings), check=False).returncode

    with start_program(API_HOST=addresses.format(path=socket_path)) as program:
        port = program.url.rpartition(":")[2]
        assert status(port) == 0
        assert program.stop() == 0
        assert status(port) == 1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_systemd_unit_is_valid_and_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "sora_proxy.service"
    # systemd-analyze checks that the command of the unit exists.
    unit.write_text(UNIT.read_text().replace("/opt/sora_proxy/.venv/bin/python ", f"{sys.executable} "))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    # The threshold is an exposure level of 2.0 out of 10.
    rated = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(rated, capture_output=True, check=False).returncode == 0
