"""What a new user sees first: startup, shutdown, and messages about mistakes. The banner has its own tests."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import CLIENT_KEY, UPSTREAM_TOKEN
from tests.e2e.conftest import CHECKOUT, StartProgram, clean_environment, curl_line, paste
from tests.scripted import silent_port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_with_status_0(start_program: StartProgram, number: int) -> None:
    with start_program() as program:
        assert program.stop(number) == 0


def test_python_can_run_the_checkout_folder_as_the_program(start_program: StartProgram) -> None:
    with start_program(str(CHECKOUT)) as program:
        assert "simulator" in program.said


@pytest.mark.parametrize(
    "start",
    [
        "runpy.run_module('sora_proxy', run_name='__main__')",
        f"runpy.run_path({str(CHECKOUT)!r}, run_name='__main__')",
        "from sora_proxy.__main__ import main",
    ],
    ids=["python -m", "python dot", "the installed script"],
)
def test_startup_on_windows_prints_one_line_with_the_supported_systems(start: str, tmp_path: Path) -> None:
    # On Windows, the modules that exist only on POSIX systems can't be imported.
    windows = "import runpy, sys; sys.platform = 'win32'; sys.modules.update(dict.fromkeys(['fcntl', 'resource']))"
    command = [sys.executable, "-c", f"{windows}; {start}"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == "sora_proxy needs Linux, macOS or WSL. On Windows, run it in WSL or in Docker.\n"
    assert (ended.returncode, ended.stdout) == (2, "")


def test_the_banner_shows_the_configured_server_if_there_are_keys(start_program: StartProgram) -> None:
    keys = json.dumps([{"key": f"Bearer {UPSTREAM_TOKEN}"}])
    with start_program(API_KEYS=keys, SORA_BASE_URL="http://127.0.0.1:9/") as program:
        assert "http://127.0.0.1:9 (1 key)" in program.said
        assert UPSTREAM_TOKEN not in program.said + program.log


@pytest.mark.parametrize(
    ("settings", "backend", "reason"),
    [
        ({}, "simulator", "SORA_BASE_URL"),
        ({"UPSTREAM": "simulator"}, "simulator", "UPSTREAM=simulator"),
        ({"SORA_BASE_URL": "http://127.0.0.1:9"}, "sora", None),
    ],
    ids=str,
)
def test_startup_shows_the_back_end_and_warns_about_the_simulator(
    start_program: StartProgram, settings: dict[str, str], backend: str, reason: str | None
) -> None:
    with start_program(**settings) as program:
        assert program.stop() == 0
    lines = [json.loads(line) for line in program.log.splitlines()]
    (told,) = [line for line in lines if line["event"] == "back end loaded"]
    assert (told["level"], told["backend"]) == ("info", backend)
    (banner,) = [line for line in program.said.splitlines() if "back end:" in line]
    assert told["base_url"] in banner
    warned = [line["reason"] for line in lines if line["level"] == "warning"]
    assert len(warned) == (reason is not None)
    assert all(reason in text and text in banner for text in warned if reason)


def run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sora_proxy"]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(**variables), capture_output=True, text=True, check=False
    )


def test_startup_fails_with_one_line_for_each_bad_setting(tmp_path: Path) -> None:
    secret = "sk-very-secret"
    ended = run(tmp_path, API_PORT="http", POLL_INTERVAL="-1", API_KEYS=f'[{{"key": "{secret}", "weight": 0}}]')
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert [line.split(":")[0] for line in lines] == ["API_PORT", "API_KEYS[0].weight", "POLL_INTERVAL"]
    assert all("Example: " in line for line in lines)
    assert secret not in ended.stderr
    assert ended.stdout == ""


def test_startup_fails_with_one_line_if_the_key_file_is_missing(tmp_path: Path) -> None:
    ended = run(tmp_path, API_PORT="0", KEYS_STORAGE_FILE="keys/my_keys.json", SORA_BASE_URL="http://127.0.0.1:9")
    assert ended.returncode == 2
    assert ended.stderr == "KEYS_STORAGE_FILE: keys/my_keys.json: No such file or directory\n"
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "mistake",
    [
        {"API_KEYS": ""},
        {"SORA_BASE_URL": ""},
        {"KEYS_STORAGE_FILE": ""},
        {"UPSTREAM": ""},
        {"API_KEY": "[]"},
        {"SORA_BASEURL": "http://127.0.0.1:9"},
    ],
    ids=lambda mistake: next(iter(mistake)),
)
def test_startup_fails_if_a_back_end_option_is_empty_or_misspelt(
    tmp_path: Path, start_program: StartProgram, mistake: dict[str, str]
) -> None:
    ended = run(tmp_path, API_PORT="0", **mistake)
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 2
    assert line.startswith(f"{next(iter(mistake))}: is ")
    assert line.endswith("set UPSTREAM=simulator")
    with start_program(**mistake | {"UPSTREAM": "simulator"}) as program:
        assert "the built-in simulator" in program.said


@pytest.mark.parametrize("file", [".env", "config/sora_proxy.env"])
@pytest.mark.parametrize(
    "line", ["API_KEYS=", 'SORA_BASE_URL=""', "KEYS_STORAGE_FILE", "upstream=", "SORA_API_KEYS=[]"]
)
def test_startup_fails_if_a_settings_file_has_an_empty_back_end_option(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{line}\n")
    ended = run(tmp_path, API_PORT="0")
    (fault,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 2
    assert fault.startswith(f"{line.partition('=')[0].upper()}: is ")


@pytest.mark.parametrize("file", [".env", "config/sora_proxy.env"])
@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_startup_fails_if_the_settings_file_is_a_folder_or_a_dangling_link(
    tmp_path: Path, file: str, kind: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nothing")
    ended = run(tmp_path, API_PORT="0")
    assert ended.returncode == 2
    assert ended.stderr == f"{file}: is not a file. Remove it, or put the settings file there\n"


def test_a_misspelt_option_is_logged_as_a_warning(start_program: StartProgram) -> None:
    with start_program(API_PRT="9") as program:
        assert program.stop() == 0
        (line,) = [json.loads(line) for line in program.log.splitlines() if "unknown option ignored" in line]
        assert (line["level"], line["name"], line["similar"]) == ("warning", "API_PRT", "API_PORT")


def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(tmp_path, API_HOST="127.0.0.1", API_PORT=port)
    assert ended.returncode == 2
    assert f"API_PORT: can't listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_process_in_the_same_folder_refuses_to_start(start_program: StartProgram) -> None:
    with start_program() as program:
        ended = run(program.folder, API_HOST="127.0.0.1", API_PORT="0")
    assert ended.returncode == 2
    assert "in use by another sora_proxy process" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::"])  # noqa: S104
def test_the_health_check_module_reports_whether_the_server_answers(
    start_program: StartProgram, tmp_path: Path, host: str
) -> None:
    def status_of(port: int) -> int:
        settings = {"API_HOST": host, "API_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
        command = [sys.executable, "-m", "sora_proxy.healthcheck"]
        return subprocess.run(command, cwd=tmp_path, env=clean_environment(**settings), check=False).returncode

    with start_program(API_HOST=host) as program, silent_port(host) as silent:
        assert status_of(int(program.url.rpartition(":")[2])) == 0
        assert status_of(silent) == 1


def test_a_port_chosen_by_the_system_is_shown_and_used_in_links(start_program: StartProgram) -> None:
    with start_program(API_PORT="0", API_AUTH_TOKEN=CLIENT_KEY) as program:
        assert not program.url.endswith(":0")
        body = json.dumps({"prompt": "a red fox", "response_format": "url"}).encode()
        # This Host header is invalid, so the link can't be made from it and has to contain the server's own port.
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json", "host": "h:many"}
        request = urllib.request.Request(f"{program.url}/v1/images/generations", body, headers)
        with urllib.request.urlopen(request) as answer:
            (image,) = json.load(answer)["data"]
        with urllib.request.urlopen(image["url"].replace("localhost", "127.0.0.1")) as found:
            assert found.read(8) == b"\x89PNG\r\n\x1a\n"
        assert image["url"].startswith(f"{program.url}/images/".replace("127.0.0.1", "localhost"))


def test_log_lines_are_json_and_each_order_has_one_outcome_line(start_program: StartProgram, tmp_path: Path) -> None:
    with start_program() as program:
        paste(curl_line(program.said), tmp_path)
        assert program.stop() == 0
    lines = [json.loads(line) for line in program.log.splitlines()]
    (ended,) = [line for line in lines if line["event"] == "generation ended"]
    assert ended["outcome"] == "completed"
    assert ended["attempts"] == 1
    assert ended["key"] == "simulator"
    assert ended["model"] == "sora-1.0"
    assert ended["seconds_upstream"] >= 0.5
    assert ended["seconds_queued"] >= 0
    (request,) = [line for line in lines if line["event"] == "request ended"]
    assert request["request_id"] == ended["request_id"]
    assert "red fox" not in program.log


def test_verbose_logging_shows_prompts(start_program: StartProgram, tmp_path: Path) -> None:
    with start_program(VERBOSE_LOGGING="True") as program:
        paste(curl_line(program.said), tmp_path)
        assert program.stop() == 0
    assert "red fox" in program.log
    assert program.key not in program.log


def test_bytes_that_are_not_http_do_not_appear_in_the_log(start_program: StartProgram) -> None:
    body = '{"model": "sora-1.0", "messages": [{"role": "user", "content": "MARKED-PROMPT"}]}'
    with start_program(API_AUTH_TOKEN=CLIENT_KEY) as program:
        host, port = program.url.removeprefix("http://").split(":")
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CLIENT_KEY}\r\n"
        for framing in ("Transfer-Encoding: chunked\r\n", "Content-Length: many\r\n", "Content-Length: 5\r\n" * 2):
            with socket.create_connection((host, int(port))) as sock:
                sock.sendall(f"{head}{framing}\r\n{body}".encode())
                assert sock.recv(65536).startswith(b"HTTP/1.")
        assert program.stop() == 0
    assert "MARKED-PROMPT" not in program.log
    assert CLIENT_KEY not in program.log
    assert "Traceback" not in program.log
