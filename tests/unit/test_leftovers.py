"""A rule of the tests themselves: a test that leaves something open fails, and no later test does."""

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
        self.socket, self.itself = socket.socket(), self  # a circle: nothing but the garbage collector finds it

@pytest.fixture
def given():
    return Leak()

@pytest.fixture(scope="module")
def shared():
    return Leak()

def test_it_keeps_to_itself(): Leak()
def test_innocent_1(): pass
def test_it_is_given(given): pass
def test_innocent_2(): pass
def test_it_fails(given): raise ZeroDivisionError
def test_innocent_3(): pass
def test_it_shares(shared): pass
def test_innocent_4(): pass
def test_the_last(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["here", "in a worker"])
def test_a_leftover_fails_its_own_test_or_is_found_at_the_end_of_the_run(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_leaks.py").write_text(TESTS)
    options = ["-p", "tests.leftovers", "-p", "no:cacheprovider", "-W", "error", "-q", "-c", "/dev/null", *workers]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    told = re.findall(r"^ERROR \S*::test_(\w+)", ended.stdout, re.MULTILINE)
    assert told == ["it_keeps_to_itself", "it_is_given", "it_fails", "the_last"], ended.stdout
    assert "1 failed, 8 passed, 4 errors" in ended.stdout
