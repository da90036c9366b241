"""openai==0.28.1, the last release before 1.0, which many scripts still use. It is installed in a separate folder."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import orjson
import pytest

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT, LEGACY_SDK, running_program

PREPARE = """
import re, sys, openai
openai.api_base, openai.api_key = sys.argv[1:]
FOX = [{"role": "user", "content": "a red fox"}]
IMAGE = re.compile(r"!\\[a red fox\\]\\(http://\\S+/images/[0-9a-f]{32}\\.png\\)")
"""


def run(script: str, url: str) -> None:
    """Run a script with the old SDK instead of the current one, and assert that the script reaches its end."""
    assert (LEGACY_SDK / "openai").is_dir(), "openai 0.28.1 is not installed; `make test` installs it"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{PREPARE}\n{script}\nprint('ended well')", url, CLIENT_KEY],
        env=os.environ | {"PYTHONPATH": str(LEGACY_SDK)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "ended well\n", ended.stderr


def test_a_script_that_creates_and_then_repeatedly_retrieves_a_completion_gets_the_image(url: str) -> None:
    run(
        """
completion = openai.ChatCompletion.create(model="sora-1.0", messages=FOX, background=True)
assert completion.choices[0].finish_reason == "processing", completion
while completion.choices[0].finish_reason == "processing":
    completion = openai.ChatCompletion.retrieve(id=completion["id"], model="sora-1.0")
assert completion.choices[0].finish_reason == "stop", completion
assert IMAGE.fullmatch(completion.choices[0].message.content), completion
""",
        url,
    )


def test_create_waits_for_the_image_by_default(url: str) -> None:
    run(
        """
completion = openai.ChatCompletion.create(model="sora-1.0", messages=FOX, n=1, stream=False)
assert completion.choices[0].finish_reason == "stop", completion
assert IMAGE.fullmatch(completion.choices[0].message.content), completion
assert completion.response_ms is not None
""",
        url,
    )


def test_a_stream_contains_the_image(url: str) -> None:
    run(
        """
chunks = list(openai.ChatCompletion.create(model="sora-1.0", messages=FOX, stream=True))
assert chunks[0].choices[0].delta.role == "assistant", chunks
assert IMAGE.fullmatch("".join(chunk.choices[0].delta.get("content", "") for chunk in chunks)), chunks
assert chunks[-1].choices[0].finish_reason == "stop", chunks
""",
        url,
    )


def test_models_are_listed_and_bad_requests_raise_errors(url: str) -> None:
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


def test_an_engine_name_selects_the_model(url: str) -> None:
    run(
        """
answer = openai.ChatCompletion.create(engine="sora-image", messages=FOX, background=True)
assert answer.model == "sora-image", answer
again = openai.ChatCompletion.retrieve(answer.id, engine="sora-image")
assert again.id == answer.id
""",
        url,
    )


# --- The scripts that sora-api documents ------------------------------------------------------------------------------

# The calls and the loop of the sora-api README: the loop ends for two finish reasons, and continues for all others.
LEGACY = """
import base64, requests

def order(text, **fields):
    return openai.ChatCompletion.create(
        model="sora-1.0", messages=[{"role": "user", "content": text}], n=1, **fields)

def poll(generation_id):
    while True:
        try:
            choice = openai.ChatCompletion.retrieve(model="sora-1.0", id=generation_id).choices[0]
        except Exception:
            continue
        if choice.finish_reason in ("stop", "error"):
            return choice

def delete(path):
    requests.delete(openai.api_base + path, headers={"Authorization": "Bearer " + openai.api_key}).raise_for_status()
"""
# The faults that are injected for prompts that contain these words.
FAULTS = {"refused at once": "policy", "refused later": "moderation", "comes to nothing": "fail"}


@pytest.fixture(scope="module", params=["120", "0"], ids="SYNC_WAIT={}".format)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a program that waits for images, and of a program that does not wait. Some prompts fail."""
    folder = tmp_path_factory.mktemp("service")
    settings = {"API_AUTH_TOKEN": CLIENT_KEY, "POLL_INTERVAL": "0.1", "SYNC_WAIT": request.param}
    with running_program(folder, **settings) as program:
        simulator = re.search(r"simulator on (http://\S+)", program.said)
        assert simulator is not None
        for prompt, fault in FAULTS.items():
            rule = orjson.dumps({"fault": fault, "prompt": prompt})
            urllib.request.urlopen(f"{simulator[1]}/simulator/faults", rule).close()
        yield f"{program.url}/v1"


def run_legacy(script: str, url: str) -> None:
    run(f"{LEGACY}\n{script}", url)


def test_the_documented_calls_make_an_image(service: str) -> None:
    run_legacy(
        """
choice = poll(order("a red fox", stream=False)["id"])
assert choice.finish_reason == "stop", choice
assert IMAGE.fullmatch(choice.message.content), choice
""",
        service,
    )


def test_the_documented_calls_make_a_remix(service: str) -> None:
    fox = CHECKOUT / "docs" / "fox.png"
    run_legacy(
        f"""
with open({str(fox)!r}, "rb") as file:
    image = base64.b64encode(file.read()).decode("utf-8")
choice = poll(order(f"data:image/png;base64,{{image}}\\na red fox", stream=False)["id"])
assert choice.finish_reason == "stop", choice
assert IMAGE.fullmatch(choice.message.content), choice
""",
        service,
    )


def test_the_documented_loop_ends_when_the_order_has_failed(service: str) -> None:
    run_legacy(
        f"""
for prompt in {list(FAULTS)}:
    first = order(prompt, stream=False)
    assert first.choices[0].finish_reason in ("processing", "error"), first
    choice = poll(first["id"])
    assert choice.finish_reason == "error", choice
    assert choice.message.content == choice.message.refusal != "", choice
""",
        service,
    )


def test_the_stream_of_a_failed_order_shows_the_reason_and_finishes(service: str) -> None:
    run_legacy(
        f"""
for prompt in {list(FAULTS)}:
    choices = [chunk.choices[0] for chunk in order(prompt, stream=True)]
    assert "could not be made" in "".join(choice.delta.get("content", "") for choice in choices), choices
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["error"], choices
""",
        service,
    )


def test_the_documented_loop_ends_when_the_id_is_unknown(service: str) -> None:
    run_legacy(
        """
cancelled = order("a red fox", background=True)["id"]
delete("/generation/" + cancelled)
deleted = order("a red fox")["id"]
poll(deleted)
delete("/chat/completions/" + deleted)
for generation_id in (cancelled, deleted, "chatcmpl-123456789abcdef"):
    choice = poll(generation_id)
    assert (choice.finish_reason, bool(choice.message.content)) == ("error", True), choice
""",
        service,
    )


def test_an_unauthorized_or_invalid_request_raises_an_error(service: str) -> None:
    run_legacy(
        """
for expected, fields in ((openai.error.AuthenticationError, {"api_key": "sk-wrong"}),
                         (openai.error.InvalidRequestError, {"size": "huge"})):
    try:
        order("a red fox", **fields)
    except expected:
        continue
    raise SystemExit(f"no error for {fields}")
""",
        service,
    )
