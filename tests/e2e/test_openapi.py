"""Schemathesis generates valid and invalid requests from the API document, and sends them to a running server."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode, checks

from sora_proxy.api import FOR_CLIENTS, OPEN
from sora_proxy.api.admin import FOR_OPERATORS
from tests.conftest import ADMIN_KEY, CLIENT_KEY
from tests.e2e.conftest import running_program
from tests.eventually import PATIENCE

QUICKLY: dict[str, Any] = {
    "max_examples": 8,
    "phases": [Phase.generate],
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [*HealthCheck],
}
ROUTES = [(route.method, re.sub(r":[^{}]+}", "}", route.path)) for route in [*OPEN, *FOR_CLIENTS, *FOR_OPERATORS]]
# No check requires that valid requests are accepted: the document does not state which prompts and sizes are refused.
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]


@dataclass
class Api:
    """A running server, its API document, and the id of an order at the server."""

    schema: Any
    order: str

    def cases(self, method: str, path: str, mode: GenerationMode) -> SearchStrategy[Any]:
        """Requests of one kind. Valid requests use an existing model and order, to avoid the status 404."""
        cases: SearchStrategy[Any] = self.schema[path][method].as_strategy(generation_mode=mode)
        return cases.map(self._aimed) if mode is GenerationMode.POSITIVE else cases

    def _aimed(self, case: Any) -> Any:
        if "id" in case.path_parameters:
            prefix = "resp_" if case.operation.path.startswith("/v1/responses") else "chatcmpl-"
            case.path_parameters["id"] = self.order.replace("chatcmpl-", prefix)
        if isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = "sora-1.0"
        return case


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("openapi")
    keys = {
        "API_AUTH_TOKEN": CLIENT_KEY,
        "ADMIN_KEY": ADMIN_KEY,
        "UPSTREAM": "simulator",
    }  # keys can be added only if UPSTREAM chooses the simulator
    with running_program(folder, **keys, POLL_INTERVAL="0.1", SIMULATOR_SECONDS="0.1", SYNC_WAIT="0") as program:
        with urllib.request.urlopen(f"{program.url}/openapi.json") as answer:
            document = json.load(answer)
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=program.url)
        yield Api(schema, order(program.url))


def order(url: str) -> str:
    """Order an image and return the order's id."""
    body = {"model": "sora-1.0", "messages": [{"role": "user", "content": "a fox"}], "store": True}
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["id"])


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_every_route_behaves_as_the_api_document_states(api: Api, method: str, path: str, mode: GenerationMode) -> None:
    key = ADMIN_KEY if path.startswith("/admin") else CLIENT_KEY

    @given(case=api.cases(method, path, mode))
    @settings(**QUICKLY)
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"authorization": f"Bearer {key}"}, checks=CHECKS, timeout=PATIENCE)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # there are no invalid requests to a route without parameters
