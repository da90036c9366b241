"""The API document, which describes every route."""

import re
from typing import Any

import orjson
import pytest
from aiohttp import web

from sora_proxy.api import ALIASES, OPEN, add_routes
from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.api.reference.described import description_of
from sora_proxy.api.reference.routes import API_DOCUMENT


@pytest.fixture
def app() -> web.Application:
    app = web.Application()
    add_routes(app)
    return app


@pytest.fixture
def paths(app: web.Application) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = orjson.loads(app[API_DOCUMENT].document)["paths"]
    return found


def without_patterns(path: str) -> str:
    return re.sub(r":[^{}]+}", "}", path)


def test_every_json_answer_except_the_document_itself_has_a_type(paths: dict[str, dict[str, Any]]) -> None:
    answers = {
        (path, status): answer["content"].get("application/json")
        for path, methods in paths.items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if "content" in answer
    }
    assert [each for each in answers if answers[each] == {"schema": {}}] == [("/openapi.json", "200")]


def test_every_route_is_described(app: web.Application, paths: dict[str, dict[str, Any]]) -> None:
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    aliases = {(route.method, without_patterns(route.path)) for route in ALIASES}
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    undescribed = {route for route in routes - told - aliases if route[0] != "HEAD"}
    assert undescribed == set(), "put @described(…) on the handlers of these routes"
    assert told <= routes
    assert all(description_of(route.handler) for route in ALIASES)


def test_every_body_has_an_example(app: web.Application) -> None:
    described = {route: description_of(route.handler) for route in app.router.routes()}
    bare = [route for route, found in described.items() if found and found.body and found.example is None]
    assert bare == [], "the document omits a body that has no example"


def test_every_description_has_a_summary_a_unique_name_and_the_required_key(paths: dict[str, dict[str, Any]]) -> None:
    open_paths = {without_patterns(route.path) for route in OPEN}
    for path, methods in paths.items():
        for operation in methods.values():
            assert operation["summary"].endswith("."), (path, operation["summary"])
            assert (operation.get("security") == []) == (path in open_paths), path
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_field_of_a_change_request_is_nullable_and_has_a_type(app: web.Application) -> None:
    schemas = orjson.loads(app[API_DOCUMENT].document)["components"]["schemas"]
    changes = {name: schema["properties"] for name, schema in schemas.items() if name.endswith("Change")}
    assert set(changes) == {"BackendChange", "KeyChange"}
    for name, fields in changes.items():
        for field, schema in fields.items():
            assert len(schema["anyOf"]) > 1, (name, field)
            assert {"type": "null"} in schema["anyOf"], (name, field)


def test_every_error_code_is_described_with_its_status_and_what_to_do(app: web.Application) -> None:
    detail = orjson.loads(app[API_DOCUMENT].document)["components"]["schemas"]["ErrorDetail"]
    told = {code["const"]: (code["title"], code["description"]) for code in detail["properties"]["code"]["oneOf"]}
    assert told == {
        code: (f"HTTP {meaning.status}", f"{meaning.advice} Retry: {meaning.retry}.")
        for code, meaning in ERROR_CODES.items()
    }


def test_routes_are_grouped_by_the_family_that_serves_them(paths: dict[str, dict[str, Any]]) -> None:
    tags = {path: operation["tags"] for path, methods in paths.items() for operation in methods.values()}
    assert tags["/v1/chat/completions"] == tags["/v1/chat/completions/{id}/messages"] == ["chat"]
    assert tags["/v1/images/edits"] == ["images"]
    assert tags["/v1/responses/{id}"] == ["responses"]
    assert tags["/admin/api/keys/batch"] == ["admin"]
    assert ["routes"] not in tags.values()
