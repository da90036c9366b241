"""The openai SDK for Node, which `make test` installs if npm exists. Without the SDK, its tests are skipped."""

import functools
import shutil
import subprocess

import pytest

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT

SDK = CHECKOUT / "requirements" / "node"
MIN_NODE = 20  # the SDK uses the global `File`
PREPARE = """
import assert from "node:assert/strict";
import OpenAI from "openai";
const [baseURL, apiKey] = process.argv.slice(1);
const client = new OpenAI({baseURL, apiKey});
"""


def run_node(script: str, url: str) -> None:
    """Run a script as a module with `assert` and a `client` of the SDK, and assert that the script reaches its end."""
    if missing := _missing():
        pytest.skip(missing)
    ended = subprocess.run(
        ["node", "--input-type=module", "-e", f"{PREPARE}\n{script}\nconsole.log('ended well')", url, CLIENT_KEY],
        cwd=SDK,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "ended well\n", ended.stderr


@functools.cache
def _missing() -> str:
    """The reason why the SDK for Node can't be used on this machine; empty if the SDK can be used."""
    if shutil.which("node") is None:
        return f"Node is not installed; this test needs Node {MIN_NODE} or newer, and npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < MIN_NODE:
        return f"Node is {version}; this test needs Node {MIN_NODE} or newer"
    if not (SDK / "node_modules" / ".package-lock.json").exists():
        return "openai for Node is not installed; `make test` installs it, with npm"
    return ""
