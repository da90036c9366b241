"""openai==0.28.1, the last SDK of its line, which many scripts still hold: in a virtual environment of its own."""

import subprocess

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT

PYTHON = CHECKOUT / ".venv-openai-0.28" / "bin" / "python"
PREPARE = """
import re, sys, openai
openai.api_base, openai.api_key = sys.argv[1:]
FOX = [{"role": "user", "content": "a red fox"}]
PICTURE = re.compile(r"!\\[a red fox\\]\\(http://\\S+/images/[0-9a-f]{32}\\.png\\)")
"""


def run(script: str, url: str) -> None:
    """Run a script with the old SDK; it must end well and say so."""
    ended = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", f"{PREPARE}\n{script}\nprint('ended well')", url, CLIENT_KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "ended well\n", ended.stderr


def test_create_then_retrieve_until_it_stops(url: str) -> None:
    run(
        """
completion = openai.ChatCompletion.create(model="sora-1.0", messages=FOX, background=True)
assert completion.choices[0].finish_reason == "processing", completion
while completion.choices[0].finish_reason == "processing":
    completion = openai.ChatCompletion.retrieve(id=completion["id"], model="sora-1.0")
assert completion.choices[0].finish_reason == "stop", completion
assert PICTURE.fullmatch(completion.choices[0].message.content), completion
""",
        url,
    )


def test_create_waits_so_that_the_loop_of_old_scripts_ends_at_once(url: str) -> None:
    run(
        """
completion = openai.ChatCompletion.create(model="sora-1.0", messages=FOX, n=1, stream=False)
assert completion.choices[0].finish_reason == "stop", completion
assert PICTURE.fullmatch(completion.choices[0].message.content), completion
assert completion.response_ms is not None
""",
        url,
    )


def test_a_stream(url: str) -> None:
    run(
        """
chunks = list(openai.ChatCompletion.create(model="sora-1.0", messages=FOX, stream=True))
assert chunks[0].choices[0].delta.role == "assistant", chunks
assert PICTURE.fullmatch("".join(chunk.choices[0].delta.get("content", "") for chunk in chunks)), chunks
assert chunks[-1].choices[0].finish_reason == "stop", chunks
""",
        url,
    )


def test_models_and_errors(url: str) -> None:
    run(
        """
assert openai.Model.list().data[0].id == "sora-1.0"
assert openai.Model.retrieve("sora-1.0").object == "model"
for arguments, expected in (({"model": "gpt-9", "messages": FOX}, openai.error.InvalidRequestError),
                            ({"model": "sora-1.0", "messages": FOX, "n": 9}, openai.error.InvalidRequestError),
                            ({"model": "sora-1.0", "messages": FOX, "api_key": "x"}, openai.error.AuthenticationError)):
    try:
        openai.ChatCompletion.create(**arguments)
    except expected as error:
        assert error.code or error.http_status == 401, error
    else:
        raise SystemExit(f"no error for {arguments}")
""",
        url,
    )


def test_engines(url: str) -> None:
    run(
        """
answer = openai.ChatCompletion.create(engine="sora-image", messages=FOX, background=True)
assert answer.model == "sora-image", answer
again = openai.ChatCompletion.retrieve(answer.id, engine="sora-image")
assert again.id == answer.id
""",
        url,
    )
