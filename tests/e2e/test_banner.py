"""The command that the banner prints works in other terminals, in other folders, and outside a container."""

import re
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ADMIN_KEY, CLIENT_KEY
from tests.e2e.conftest import Program, StartProgram, curl_line, paste, running_on_terminal

CONFIGURED = {"API_AUTH_TOKEN": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
# Replaces docker, podman and kubectl. This machine plays the part of the container.
ENGINE = """#!/bin/sh
[ "$1 $2" = "exec {name}" ] || exit 1
shift 2
[ "$1" = -- ] && shift
exec "$@"
"""


def assert_it_streams_an_image(line: str, folder: Path, **variables: str) -> None:
    """Paste the line into a shell in another folder, and check that an image is streamed."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    out = paste(line, elsewhere, **variables)
    found = re.search(r"\((http://[^)]+/images/[0-9a-f]{32}\.png)\)", out)
    assert found is not None, out
    with urllib.request.urlopen(found[1]) as image:
        assert image.read(8) == b"\x89PNG\r\n\x1a\n"
    assert out.rstrip().endswith("data: [DONE]")


def assert_no_secret_is_shown(program: Program) -> None:
    data = program.folder / "data"
    generated = [(data / name).read_text().strip() for name in ("client_key", "admin_key") if (data / name).exists()]
    assert not [key for key in (*generated, *CONFIGURED.values()) if key in program.said + program.log]


@pytest.mark.parametrize("configured", [{}, CONFIGURED], ids=["generated keys", "configured keys"])
def test_the_command_printed_on_a_terminal_works_in_another_terminal_and_another_folder(
    tmp_path: Path, configured: dict[str, str]
) -> None:
    for _ in range(1 if configured else 2):  # the key is shown at every startup
        with running_on_terminal(tmp_path, **configured) as program:
            assert f"Open {program.url} in a browser" in program.said
            assert_it_streams_an_image(curl_line(program.said), tmp_path)
            assert program.stop() == 0
    key = CLIENT_KEY if configured else program.key
    assert f"Bearer {key}" in program.said
    assert key not in program.log
    assert ADMIN_KEY not in program.said


def test_without_a_terminal_the_printed_command_reads_the_key_from_its_file(
    start_program: StartProgram, tmp_path: Path
) -> None:
    with start_program() as program:
        assert f"cat {tmp_path}/data/client_key" in program.said
        assert f"stored in {tmp_path}/data/admin_key" in program.said
        assert_it_streams_an_image(curl_line(program.said), tmp_path)
        assert_no_secret_is_shown(program)


def test_without_a_terminal_the_printed_command_takes_a_configured_key_from_a_variable(
    start_program: StartProgram, tmp_path: Path
) -> None:
    with start_program(**CONFIGURED) as program:
        assert "the value of API_AUTH_TOKEN" in program.said
        assert_it_streams_an_image(curl_line(program.said), tmp_path, API_AUTH_TOKEN=CLIENT_KEY)
        assert_no_secret_is_shown(program)


@pytest.mark.parametrize("configured", [{}, CONFIGURED], ids=["generated keys", "configured keys"])
@pytest.mark.parametrize(
    ("container", "command"),
    [
        ({"container": "docker"}, "docker"),
        ({"container": "podman"}, "podman"),
        ({"container": "oci"}, "podman"),
        ({"container": "docker", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubectl"),
    ],
    ids=["docker", "podman", "podman as oci", "kubernetes"],
)
def test_the_command_printed_in_a_container_works_outside_the_container(
    start_program: StartProgram, tmp_path: Path, container: dict[str, str], command: str, configured: dict[str, str]
) -> None:
    engine = tmp_path / "elsewhere" / "tools" / command  # pasted lines find their commands in this folder
    engine.parent.mkdir(parents=True)
    engine.write_text(ENGINE.format(name=socket.gethostname()))
    engine.chmod(0o755)
    with start_program(**container, **configured) as program:
        # `exec` runs a command with the container's variables.
        inside = {"API_AUTH_TOKEN": CLIENT_KEY} if configured else {}
        assert f"{command} exec {socket.gethostname()} " in program.said
        assert_it_streams_an_image(curl_line(program.said), tmp_path, **inside)
        assert_no_secret_is_shown(program)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"COMFYUI_URL": "http://127.0.0.1:9"}, "comfyui on http://127.0.0.1:9 (1 server)"),
        ({"COMFYUI_URL": "http://127.0.0.1:9,http://127.0.0.1:10"}, "comfyui on http://127.0.0.1:9 (2 servers)"),
        ({"UPSTREAM": "sora"}, "(no key: orders are refused until a key is added)"),
        (
            {"UPSTREAM": "openai", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-upstream"},
            "openai on http://127.0.0.1:9/v1 (1 key)",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value.values())),
)
def test_the_banner_counts_keys_and_servers(start_program: StartProgram, settings: dict[str, str], words: str) -> None:
    with start_program(**settings) as program:
        assert words in program.said
