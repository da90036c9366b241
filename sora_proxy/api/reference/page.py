"""The API's document as one page of HTML, without scripts or anything from other sites."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from sora_proxy.api.reference.markup import article, code, entries, link, prose, section, terms
from sora_proxy.api.reference.operations import ORIGIN, Operation, operations_of
from sora_proxy.api.reference.types import ERROR_CODES, ONE_OF_THE_CODES, Types

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
nav ul ul { columns: 25rem; column-gap: 3rem; }
li { break-inside: avoid; }
nav ul, section { margin-bottom: 2rem; }
article { border-top: 1px solid #8886; padding: .5rem 0; }
h3, code, pre, var { font-family: ui-monospace, monospace; }
h3 { font-size: 1rem; }
pre { background: #8882; padding: .75rem; white-space: pre-wrap; }
var { font-style: normal; font-weight: bold; }
dl { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: .25rem 1rem; }
dd { margin: 0; }
:target { outline: 2px solid; outline-offset: .25rem; }
@media (max-width: 40rem) { dl { display: block; } dd:not(:empty) { margin: 0 0 .5rem 1rem; } ul { padding: 0 1rem; } }
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EXAMPLES = (
    "The examples are for a shell in which `API_AUTH_TOKEN` is a client key and `ADMIN_KEY` is the admin key."
    " A key that was not configured has been generated, and is in the file `client_key` or `admin_key` in the data"
    " folder. Replace everything in braces, such as `{id}`."
)
KEYS = {"API_AUTH_TOKEN": "Needs a client key.", "ADMIN_KEY": "Needs the admin key.", None: "Needs no key."}
PLACEHOLDER = re.compile(r"{\w+}")


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the page: its name, its lines in the table of contents, and its content."""

    name: str
    title: str
    contents: Sequence[str]
    html: Sequence[str]


def page(document: dict[str, Any]) -> bytes:
    """The whole page. It lacks the origin of the server, which `served_from` inserts."""
    info, types = document["info"], Types(document["components"]["schemas"])
    parts, title = _parts(document, types), escape(f"{info['title']} {info['version']}")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>',
            f'<meta name="viewport" content="width=device-width"/><title>{title}</title><style>{STYLE}</style></head>',
            '<body><a class="skip" href="#main">Skip the contents</a>',
            f"<header><h1>{title}</h1><p>{types.prose(info['description'])}</p><p>{prose(EXAMPLES)}</p>",
            '<p>For programs: <a href="openapi.json">openapi.json</a></p></header>',
            '<nav aria-labelledby="contents"><h2 id="contents">Contents</h2>',
            entries(f'<a href="#{part.name}">{part.title}</a>{entries(part.contents)}' for part in parts),
            '</nav><main id="main" tabindex="-1">',
            *(section(part.name, part.title, part.html) for part in parts),
            "</main></body></html>",
        ]
    ).encode()


def served_from(origin: str, made: bytes) -> bytes:
    """The page that `page` made, with the origin of this server in its commands. Clients can send any text as the
    host, so characters that have a meaning in a shell or in HTML are percent-encoded.
    """
    return made.replace(ORIGIN.encode(), quote(origin, safe=":/[]%").encode())


def _parts(document: dict[str, Any], types: Types) -> list[_Part]:
    operations = operations_of(document)
    clients = [each for each in operations if not each.for_operators]
    operators = [each for each in operations if each.for_operators]
    of_clients = types.used_by([each.fields for each in clients])
    return [
        _routes("clients", "Routes for clients", types, clients),
        _routes("operators", "Routes for operators", types, operators),
        _types("client-types", "Types for clients", types, of_clients),
        _types("operator-types", "Types for operators", types, types.names - of_clients),
        _Part(ERROR_CODES, "Error codes", [], [_error_codes(document)]),
    ]


def _routes(name: str, title: str, types: Types, operations: Sequence[Operation]) -> _Part:
    contents = [f"{link(each.id, each.name)} {prose(each.summary)}" for each in operations]
    return _Part(name, title, contents, [_route(types, each) for each in operations])


def _types(name: str, title: str, types: Types, names: Iterable[str]) -> _Part:
    ordered = sorted(names)
    return _Part(name, title, [*map(types.link, ordered)], [*map(types.article, ordered)])


def _route(types: Types, operation: Operation) -> str:
    command = PLACEHOLDER.sub(r"<var>\g<0></var>", escape(operation.curl))
    details = terms(_details(types, operation))
    html = [f"<p>{types.prose(operation.summary)} {KEYS[operation.key]}</p>", f"<pre>{command}</pre>", details]
    return article(operation.id, operation.name, html)


def _details(types: Types, operation: Operation) -> Iterator[tuple[str, str]]:
    """The parameters, the body and the answers."""
    for each in operation.fields["parameters"]:
        yield f"{code(each['name'])} in the {escape(each['in'])}", types.prose(each.get("description", ""))
    if operation.body:
        yield "Body", _content(types, operation.body)
    for status, content in operation.answers:
        yield f"Answer {escape(status)}", _content(types, content) or "empty"
    errors = _content(types, operation.fields["responses"]["4XX"]["content"])
    yield "Errors", f"{errors}, with {ONE_OF_THE_CODES}"


def _content(types: Types, content: dict[str, Any]) -> str:
    """The types and the media types of a body."""
    kinds = [(media, each.get("schema")) for media, each in content.items()]
    return " or ".join(f"{types.kind(schema)} as {code(media)}" if schema else code(media) for media, schema in kinds)


def _error_codes(document: dict[str, Any]) -> str:
    codes = document["components"]["schemas"]["ErrorDetail"]["properties"]["code"]["oneOf"]
    return terms((_error_code(each["const"], each["title"]), prose(each["description"])) for each in codes)


def _error_code(name: str, status: str) -> str:
    """An error code, with a link to itself."""
    target = escape(f"code-{name}")
    return f'<a id="{target}" href="#{target}">{code(name)}</a> {escape(status)}'
