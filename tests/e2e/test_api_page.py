"""Every curl command of the API page, pasted into a shell as the page shows it, with its placeholders filled in."""

import itertools
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.api import FOR_CLIENTS, OPEN
from sora_proxy.api.admin import FOR_OPERATORS
from sora_proxy.api.reference.described import description_of
from tests.api_page import ApiPage
from tests.conftest import ADMIN_KEY, CLIENT_KEY
from tests.e2e.conftest import paste, running_program, running_simulator

KEYS = {"API_AUTH_TOKEN": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
HANDLERS = {
    (route.method, re.sub(r":[^{}]+}", "}", route.path)): route.handler
    for route in [*OPEN, *FOR_CLIENTS, *FOR_OPERATORS]
}
ROUTES = [*HANDLERS]
PLACEHOLDER = re.compile(r"{(\w+)}")
IMAGE = re.compile(r"/images/([0-9a-f]{32}\.png)")


@dataclass
class Server:
    """A server in front of a simulator. It has an order, a key or a back end for each placeholder of the commands."""

    url: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @cached_property
    def commands(self) -> dict[str, str]:
        """The commands of the page, by the headings of their routes."""
        with urllib.request.urlopen(f"{self.url}/docs") as answer:
            return dict(ApiPage.read(answer.read()).commands())

    @cached_property
    def completion(self) -> dict[str, Any]:
        """A finished order, for the commands that delete nothing."""
        return self.order()

    def order(self) -> dict[str, Any]:
        order = {"messages": [{"role": "user", "content": "a red fox"}], "store": True}
        return self._post("/v1/chat/completions", CLIENT_KEY, order)

    def real(self, placeholder: str, method: str, path: str) -> str:
        """The value for a placeholder in the command of a route."""
        number = next(self.numbers)
        match placeholder:
            case "model":
                return "sora-1.0"
            case "token":
                return f"token-{number}"
            case "name" if path.startswith("/page/"):
                return "page.js"
            case "name" if path.startswith("/admin/"):
                backend = {"name": f"studio-{number}", "kind": "comfyui", "base_url": "http://127.0.0.1:9"}
                return str(self._post("/admin/api/backends", ADMIN_KEY, backend)["name"])
            case "id" if path.startswith("/admin/"):
                return str(self._post("/admin/api/keys", ADMIN_KEY, {"key": f"token-{number}"})["id"])
            case "name":
                (image,) = IMAGE.findall(self.completion["choices"][0]["message"]["content"])
                return str(image)
        completion = self.order() if method == "DELETE" else self.completion
        prefix = "resp_" if path.startswith("/v1/responses") else "chatcmpl-"
        return str(completion["id"]).replace("chatcmpl-", prefix)

    def _post(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            posted: dict[str, Any] = json.load(answer)
            return posted


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_simulator("--seconds", "0.1", "--queue-seconds", "0") as upstream:
        # A server whose back end is the built-in simulator accepts no other back ends.
        settings = {"SORA_BASE_URL": upstream, "API_KEYS": '[{"key": "token"}]', "IMAGE_LOCALIZATION": "true"}
        folder = tmp_path_factory.mktemp("program")
        with running_program(folder, **KEYS, **settings, POLL_INTERVAL="0.1") as program:
            yield Server(program.url)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_each_command_of_the_api_page_gets_an_answer_of_the_documented_type(
    server: Server, tmp_path: Path, method: str, path: str
) -> None:
    command = server.commands[f"{method} {path}"]
    for name in set(PLACEHOLDER.findall(command)):
        command = command.replace(f"{{{name}}}", server.real(name, method, path))
    body, _, status = paste(f"{command} -s -w '\\n%{{http_code}}'", tmp_path, **KEYS).rpartition("\n")
    assert status in ("200", "201"), body
    description = description_of(HANDLERS[method, path])
    assert description is not None
    if description.answer:
        description.answer.model_validate_json(body)
