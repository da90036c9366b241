"""A rule for the tests themselves: a test that leaves a socket open fails, and later tests do not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import socket
import pytest

class Leak:
    def __init__(self):
        self.socket, self.itself = socket.socket(), self  # a cycle, which only the garbage collector finds

@pytest.fixture
def given():
    return Leak()

@pytest.fixture(scope="module")
def shared():
    return Leak()

def test_that_leaks_in_its_body(): Leak()
def test_without_a_leak_1(): pass
def test_with_a_leaking_fixture(given): pass
def test_without_a_leak_2(): pass
def test_that_leaks_and_fails(given): raise ZeroDivisionError
def test_without_a_leak_3(): pass
def test_with_a_leaking_module_fixture(shared): pass
def test_without_a_leak_4(): pass
def test_that_runs_last(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["here", "in a worker"])
def test_a_leak_fails_its_own_test_or_the_last_test_of_the_run(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_leaks.py").write_text(TESTS)
    options = ["-p", "tests.leftovers", "-p", "no:cacheprovider", "-W", "error", "-q", "-c", "/dev/null", *workers]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    told = re.findall(r"^ERROR \S*::test_(\w+)", ended.stdout, re.MULTILINE)
    assert told == ["that_leaks_in_its_body", "with_a_leaking_fixture", "that_leaks_and_fails", "that_runs_last"], (
        ended.stdout
    )
    assert "1 failed, 8 passed, 4 errors" in ended.stdout
