"""The SDKs can read an answer that begins with spaces, which the server sends to keep the connection open."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import running_program
from tests.e2e.node import run_node
from tests.e2e.test_openai_028 import run


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that begins every answer with spaces."""
    folder = tmp_path_factory.mktemp("slow")
    settings = {"KEEPALIVE_AFTER": "0", "HEARTBEAT_INTERVAL": "0.05", "POLL_INTERVAL": "0.1"}
    with running_program(folder, API_AUTH_TOKEN=CLIENT_KEY, **settings) as program:
        yield f"{program.url}/v1"


def test_the_python_sdk_reads_an_answer_that_begins_with_spaces(slow: str) -> None:
    with OpenAI(base_url=slow, api_key=CLIENT_KEY, _strict_response_validation=True) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="sora-1.0", messages=[{"role": "user", "content": "a red fox"}]
        )
    assert raw.text.startswith("  ")
    assert raw.parse().choices[0].finish_reason == "stop"


def test_the_node_sdk_reads_an_answer_that_begins_with_spaces(slow: str) -> None:
    run_node(
        """
const messages = [{role: "user", content: "a red fox"}];
const completion = await client.chat.completions.create({model: "sora-1.0", messages});
assert.equal(completion.choices[0].finish_reason, "stop");
""",
        slow,
    )


def test_the_legacy_python_sdk_reads_an_answer_that_begins_with_spaces(slow: str) -> None:
    run(
        """
answer = openai.ChatCompletion.create(model="sora-1.0", messages=FOX)
assert IMAGE.fullmatch(answer.choices[0].message.content), answer
""",
        slow,
    )
