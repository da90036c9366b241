"""The OpenAPI document, made from the routes and the descriptions of their handlers."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

import sora_proxy
from sora_proxy.api.reference.answer_schemas import Error
from sora_proxy.api.reference.described import JSON, Description, description_of

ABOUT = (
    "This server makes images through OpenAI's API. Every error is an object with `message`, `type`, `param` and"
    " `code`; `ErrorDetail` lists the codes. All answers have the header `x-request-id`. Answers about an order have"
    " `x-generation-id`, and `x-sora-proxy-backend` with the name of the back end once it is known. The images of"
    " the back end `simulator` are drawings."
)
PARAMETER = re.compile(r"{(\w+)}")
FORM, FILE = "multipart/form-data", {"type": "string", "contentMediaType": "application/octet-stream"}
SCHEMAS = "#/components/schemas/"
API = "sora_proxy.api."


def document(routes: Iterable[web.RouteDef], open_handlers: frozenset[object]) -> dict[str, Any]:
    """These routes as an OpenAPI 3.1 document."""
    described = [(route, found) for route in routes if (found := description_of(route.handler))]
    schemas = _Schemas(description for _, description in described)
    paths: dict[str, dict[str, Any]] = {}
    for route, description in described:
        path = re.sub(r"{(\w+):[^{}]+}", r"{\1}", route.path)
        operation = _operation(route, path, description, schemas)
        if route.handler in open_handlers:
            operation["security"] = []
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "sora_proxy", "version": sora_proxy.__version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The JSON schemas of all bodies and answers, each by its name."""

    def __init__(self, descriptions: Iterable[Description]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Error, "serialization"): None}
        for description in descriptions:
            for body in (description.body, description.form):
                if body:
                    wanted[body, "validation"] = None
            for answer in (description.answer, description.unavailable):
                if answer:
                    wanted[answer, "serialization"] = None
        self._references, made = models_json_schema([*wanted], ref_template=SCHEMAS + "{model}")
        self.definitions: dict[str, Any] = made["$defs"]

    def of(self, kind: type[BaseModel] | None, mode: JsonSchemaMode) -> dict[str, Any]:
        return self._references[kind, mode] if kind else {}


def _operation(route: web.RouteDef, path: str, description: Description, schemas: _Schemas) -> dict[str, Any]:
    answer = schemas.of(description.answer, "serialization")
    error = {"description": "The request failed.", "content": {JSON: {"schema": schemas.of(Error, "serialization")}}}
    # OpenAPI 3.1 can't describe the events of a stream, so a stream has no schema.
    content = {media: {"schema": answer} if media == JSON else {} for media in description.media}
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", path)]),
        "tags": [route.handler.__module__.removeprefix(API).partition(".")[0]],  # the family of the route
        "summary": (inspect.getdoc(route.handler) or "").partition("\n")[0],
        "parameters": [*_parameters(path, description)],
        "responses": {
            str(description.status): {"description": "The request succeeded.", "content": content},
            "4XX": error,
            "5XX": error,
        },
    }
    if description.unavailable:
        content = {JSON: {"schema": schemas.of(description.unavailable, "serialization")}}
        operation["responses"]["503"] = {"description": "The server is not ready.", "content": content}
    if description.or_nothing:
        operation["responses"]["204"] = {"description": "The generation has ended, and there are no further events."}
    if description.example is not None:
        operation["requestBody"] = {"required": True, "content": _body(description, schemas)}
    return operation


def _body(description: Description, schemas: _Schemas) -> dict[str, Any]:
    body = schemas.of(description.body, "validation") or {"type": "object"}
    content: dict[str, Any] = {JSON: {"schema": body, "example": description.example}}
    if description.form:
        form = schemas.of(description.form, "validation")
        content[FORM] = {"schema": {"allOf": [form], "properties": {"image": FILE, "mask": FILE}}}
    return content


def _parameters(path: str, description: Description) -> Iterable[dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    for name in PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, **text}
    for name, meaning in description.query.items():
        yield {"name": name, "in": "query", "description": meaning, **text}
