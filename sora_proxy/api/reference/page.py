"""The API's document as one page of HTML: no script, nothing loaded from other sites."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid #8884; padding: .5rem 0; }
h3 { font: 600 1rem ui-monospace, monospace; }
table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0; }
code { font-family: ui-monospace, monospace; }
:root { color-scheme: light dark; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(document: dict[str, Any]) -> bytes:
    """The whole page."""
    info, paths = document["info"], document["paths"]
    operations = [
        line for path, methods in paths.items() for method in methods for line in _operation(document, path, method)
    ]
    title, about = f"{escape(info['title'])} {escape(info['version'])}", _text(info["description"])
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{STYLE}</style></head>',
            f'<body><h1>{title}</h1><p>{about} For programs: <a href="openapi.json">openapi.json</a></p>',
            *operations,
            f"<article><h3>Error codes</h3>{_error_codes(document)}</article>",
            "</body></html>",
        ]
    ).encode()


def _operation(document: dict[str, Any], path: str, method: str) -> Iterator[str]:
    operation = document["paths"][path][method]
    yield f"<article><h3>{method.upper()} {escape(path)}</h3><p>{_text(operation['summary'])}</p>"
    if operation.get("security") == []:
        yield "<p>No key is needed.</p>"
    if operation["parameters"]:
        rows = [(each["name"], each["in"], each.get("description", "")) for each in operation["parameters"]]
        yield _table("Parameter", rows)
    if "requestBody" in operation:
        (content, *_) = operation["requestBody"]["content"].values()
        yield _table("Field", [*_fields(document, content["schema"])])
    for status, response in operation["responses"].items():
        if status[0] == "2":
            content = response.get("content", {})
            yield f"<p>Answers {status}: {', '.join(escape(media) for media in content) or 'nothing'}</p>"
            for media in content.values():
                yield _table("Field", [*_fields(document, media.get("schema", {}))])  # a stream has none
    yield "</article>"


def _error_codes(document: dict[str, Any]) -> str:
    codes = document["components"]["schemas"]["ErrorDetail"]["properties"]["code"]["oneOf"]
    return _table("Code", [(each["const"], each["title"], each["description"]) for each in codes])


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of what an object holds."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield name, _kind(field) + ("" if name in required else ", optional"), field.get("description", "")


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " | ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    return f"list of {_kind(schema.get('items', {}))}" if kind == "array" else str(kind)


def _table(name: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td><code>{escape(first)}</code></td><td>{escape(second)}</td><td>{_text(third)}</td></tr>"
        for first, second, third in rows
    )
    return f"<table><tr><th>{name}</th><th>Kind</th><th>Meaning</th></tr>{lines}</table>"


def _text(text: str) -> str:
    """Prose, with `code` in it."""
    return "".join(
        f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(escape(text).split("`"))
    )
