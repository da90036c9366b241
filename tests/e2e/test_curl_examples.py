"""The curl lines that sora-api documents: an image, a stream, an order retrieved by its id, a remix."""

import base64
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import CHECKOUT, paste, running_program

IMAGE = re.compile(r"!\[a red fox\]\(http://\S+/images/[0-9a-f]{32}\.png\)")


@pytest.fixture(scope="module", params=["120", "0"], ids="SYNC_WAIT={}".format)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a program that waits for images, and of a program that does not wait."""
    folder = tmp_path_factory.mktemp("program")
    settings = {"API_AUTH_TOKEN": CLIENT_KEY, "POLL_INTERVAL": "0.1", "SYNC_WAIT": request.param}
    with running_program(folder, **settings) as program:
        yield f"{program.url}/v1"


def curl(folder: Path, method: str, address: str, *options: str) -> str:
    """The output of curl for a line like those in the document."""
    headers = ("-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {CLIENT_KEY}")
    return paste(shlex.join(["curl", "-s", "-X", method, address, *headers, *options]), folder)


def order(url: str, folder: Path, content: str, *, stream: bool = False) -> str:
    body = {"model": "sora-1.0", "messages": [{"role": "user", "content": content}], "n": 1, "stream": stream}
    return curl(folder, "POST", f"{url}/chat/completions", "-d", json.dumps(body))


def asked_until_finished(url: str, folder: Path, generation_id: str) -> Any:
    """The only choice of a completion, once the order has ended."""
    while True:
        answer = json.loads(curl(folder, "GET", f"{url}/generation/{generation_id}"))
        (choice,) = answer["choices"]
        if choice["finish_reason"] != "processing":
            return choice


def test_an_image_can_be_retrieved_by_the_id_of_its_order(url: str, tmp_path: Path) -> None:
    made = json.loads(order(url, tmp_path, "a red fox"))
    choice = asked_until_finished(url, tmp_path, made["id"])
    assert choice["finish_reason"] == "stop"
    assert IMAGE.fullmatch(choice["message"]["content"])


def test_a_stream_ends_with_the_image(url: str, tmp_path: Path) -> None:
    events = [line.removeprefix("data: ") for line in order(url, tmp_path, "a red fox", stream=True).split("\n\n")]
    chunks = [json.loads(event) for event in events if event.startswith("{")]
    assert IMAGE.fullmatch("".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks))
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert events[-2:] == ["[DONE]", ""]


def test_a_remix_reads_its_reference_image_from_the_prompt_text(url: str, tmp_path: Path) -> None:
    image = base64.b64encode((CHECKOUT / "docs" / "fox.png").read_bytes()).decode()
    made = json.loads(order(url, tmp_path, f"data:image/png;base64,{image}\na red fox"))
    choice = asked_until_finished(url, tmp_path, made["id"])
    assert choice["finish_reason"] == "stop"
    assert IMAGE.fullmatch(choice["message"]["content"])


def test_the_example_id_of_the_sora_api_document_is_not_found(url: str, tmp_path: Path) -> None:
    error = json.loads(curl(tmp_path, "GET", f"{url}/generation/chatcmpl-123456789abcdef"))["error"]
    assert error["code"] == "not_found"
