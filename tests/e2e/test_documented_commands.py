"""Every command of the README, and of the page about clients, does what its document shows."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import (
    CHECKOUT,
    LEGACY_SDK,
    Program,
    clean_environment,
    paste,
    running_program,
    running_simulator,
)
from tests.e2e.documented import EXCEPTED, blocks, is_call, is_excepted, is_start, pattern
from tests.markdown_pages import DOCS, code_blocks

DOCUMENTED_URL, DOCUMENTED_KEY = "http://localhost:8890", "YOUR_KEY"
LINK = re.compile(r"/images/[0-9a-f]{32}\.(png|webp)")
QUICK = {"POLL_INTERVAL": "0.1", "SIMULATOR_SECONDS": "1"}
STARTS, CALLS = [list(filter(kind, blocks("sh"))) for kind in (is_start, is_call)]
BANNER, STREAM = blocks("text")
# For each option, the protocol of the simulator that replaces the documented server.
WIRES = {"COMFYUI_URL": "comfyui", "OPENAI_BASE_URL": "images"}
PAGES = [DOCS / "clients.md", DOCS / "coming-from-sora-api.md"]
CALLS_OF_CLIENTS = [text for language, text in code_blocks(PAGES[0]) if language == "sh"]
SCRIPTS = [*blocks("python"), *(text for page in PAGES for language, text in code_blocks(page) if language == "python")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The server as `make run` starts it, in a folder with the documents."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "docs").symlink_to(DOCS)
    with running_program(folder, **QUICK) as program:
        yield program


def as_documented(output: str, program: Program) -> str:
    return output.strip().replace(program.url, DOCUMENTED_URL)


def called(block: str, program: Program) -> str:
    """The output of the curl line of a page."""
    return paste(block.replace(DOCUMENTED_URL, program.url), program.folder)


def run_script(script: str, program: Program) -> str:
    """The output of the Python lines of a page, with the SDK that the lines are written for."""
    legacy = "openai.ChatCompletion" in script
    assert not legacy or LEGACY_SDK.is_dir(), "openai 0.28.1 is not installed; `make test` installs it"
    environment = clean_environment(PYTHONPATH=str(LEGACY_SDK)) if legacy else clean_environment()
    here = script.replace(DOCUMENTED_URL, program.url).replace(DOCUMENTED_KEY, program.key)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", here],
        cwd=program.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_command_of_the_readme_has_a_test_or_an_exception() -> None:
    assert [block for block in blocks("sh") if not (is_start(block) or is_call(block) or is_excepted(block))] == []
    assert {language for language, _ in code_blocks(CHECKOUT / "README.md")} == {"sh", "text", "python"}
    assert [beginning for beginning in EXCEPTED if not any(block.startswith(beginning) for block in blocks("sh"))] == []


def test_the_server_prints_the_banner_that_the_readme_shows(program: Program) -> None:
    assert pattern(BANNER).fullmatch(as_documented(program.said, program))


@pytest.mark.parametrize("call", CALLS)
def test_the_curl_line_of_the_readme_prints_the_documented_stream(program: Program, call: str) -> None:
    assert pattern(STREAM).fullmatch(as_documented(called(call, program), program))


def test_the_banner_shows_the_curl_line_of_the_readme(program: Program) -> None:
    (call,) = CALLS
    assert as_documented(program.said, program).split("Try it:")[1].split() == call.split()


@pytest.mark.parametrize("script", SCRIPTS)
def test_python_examples_of_the_documents_make_an_image(program: Program, script: str) -> None:
    assert LINK.search(run_script(script, program))


@pytest.mark.parametrize("call", CALLS_OF_CLIENTS)
def test_curl_examples_for_clients_make_an_image(program: Program, call: str) -> None:
    assert LINK.search(called(call, program))


@pytest.mark.parametrize("start", [start for start in STARTS if start != "make run\n"])
def test_each_start_command_of_the_readme_leads_to_an_image(tmp_path: Path, start: str) -> None:
    variables = dict(word.split("=", 1) for word in shlex.split(start) if "=" in word)
    (option,) = variables.keys() & WIRES.keys()
    (script,) = blocks("python")
    with (
        running_simulator("--wire", WIRES[option], "--seconds", "0.3") as url,
        running_program(tmp_path, **QUICK, **variables | {option: url}) as program,
    ):
        assert LINK.search(run_script(script, program))
        assert "simulator" not in program.said
