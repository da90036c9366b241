"""The newest openai SDK for Node, as `make` installs it into `.node`."""

import subprocess

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT

PREPARE = """
import assert from "node:assert/strict";
import OpenAI from "openai";
const [baseURL, apiKey] = process.argv.slice(1);
const client = new OpenAI({baseURL, apiKey});
"""


def run_node(script: str, url: str) -> None:
    """Run a script, as a module that has `assert` and a `client` of the SDK; it must end well and say so."""
    ended = subprocess.run(
        ["node", "--input-type=module", "-e", f"{PREPARE}\n{script}\nconsole.log('ended well')", url, CLIENT_KEY],
        cwd=CHECKOUT / ".node",  # where the SDK is looked for
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "ended well\n", ended.stderr
