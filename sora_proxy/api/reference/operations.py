"""One route as the API's document describes it, and the curl command that calls it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sora_proxy.api.reference.described import EVENTS, JSON

# A placeholder for the origin of this server, which depends on the request. No host can have this name (RFC 2606).
ORIGIN = "http://origin.invalid"


@dataclass(frozen=True, slots=True)
class Operation:
    """`fields` are those of OpenAPI's operation object."""

    method: str
    path: str
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def id(self) -> str:
        return str(self.fields["operationId"])

    @property
    def summary(self) -> str:
        return str(self.fields["summary"])

    @property
    def for_operators(self) -> bool:
        return "admin" in self.fields["tags"]

    @property
    def key(self) -> str | None:
        """The environment variable with the key that the route needs."""
        if self.fields.get("security") == []:
            return None
        return "ADMIN_KEY" if self.for_operators else "API_AUTH_TOKEN"

    @property
    def body(self) -> dict[str, Any]:
        """The schemas of the body, by their media types."""
        content: dict[str, Any] = self.fields.get("requestBody", {}).get("content", {})
        return content

    @property
    def answers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The statuses of successful answers, and their content by media type."""
        for status, response in self.fields["responses"].items():
            if status.startswith("2"):
                yield status, response.get("content", {})

    @property
    def curl(self) -> str:
        """A command for a POSIX shell. It takes the key from the environment; everything in braces has to be
        replaced."""
        sent = self.body.get(JSON)
        method = "" if self.method == ("get" if sent is None else "post") else f" -X {self.method.upper()}"
        options = []
        if self.key:
            options += [f'-H "Authorization: Bearer ${self.key}"']
        if sent is not None:
            options += ["-H 'Content-Type: application/json'", f"-d {_quoted(sent['example'])}"]
        return " \\\n  ".join([f"curl{method}{self._output} '{ORIGIN}{self.path}'", *options])

    @property
    def _output(self) -> str:
        media = [each for _, content in self.answers for each in content]
        if media == [EVENTS]:
            return " -N"  # show each event at once
        return " -O" if all(each.startswith("image/") for each in media) else ""


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """All operations of a document, in the document's sequence."""
    return [
        Operation(method, path, fields)
        for path, methods in document["paths"].items()
        for method, fields in methods.items()
    ]


def _quoted(body: Any) -> str:
    """A body as one word for a shell. The shell expands no variable in it except `$ADMIN_KEY`."""
    return shlex.quote(json.dumps(body)).replace("$ADMIN_KEY", "'\"$ADMIN_KEY\"'")
