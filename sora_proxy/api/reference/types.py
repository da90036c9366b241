"""The types of the API's document as HTML. Each name of a type is a link to its description."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from sora_proxy.api.reference import markup

ERROR_CODES = "error-codes"  # the id of the list of error codes
ONE_OF_THE_CODES = f'one of the <a href="#{ERROR_CODES}">error codes</a>'


class Types:
    """The schemas of a document, by their names."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self.names = frozenset(schemas)

    def article(self, name: str) -> str:
        """The description of one type."""
        schema = self._schemas[name]
        about = f"<p>{self.prose(schema['description'])}</p>" if "description" in schema else ""
        fields = markup.terms(self._fields(schema))
        return markup.article(_id(name), name, [about, fields or f"<p>{self.kind(schema)}</p>"])

    def kind(self, schema: Mapping[str, Any]) -> str:
        """A schema in a few words."""
        match schema:
            case {"$ref": str(reference)}:
                return self.link(_name(reference))
            case {"anyOf": choices}:
                return " or ".join(map(self.kind, choices))
            case {"allOf": [base]}:  # a form and its files
                return f"{self.kind(base)} with the files {' and '.join(map(markup.code, schema['properties']))}"
            case {"oneOf": _}:
                return ONE_OF_THE_CODES
            case {"enum": values}:
                return " or ".join(markup.code(orjson.dumps(value).decode()) for value in values)
            case {"const": value}:
                return markup.code(orjson.dumps(value).decode())
            case {"type": "array", "items": items}:
                return f"list of {self.kind(items)}"
            case {"type": list(kinds)}:
                return markup.prose(" or ".join(kinds))
        return markup.prose(schema.get("type", "any"))

    def link(self, name: str) -> str:
        return markup.link(_id(name), name)

    def prose(self, text: str) -> str:
        """A text as HTML, in which the names of types are links."""
        return markup.prose(text, lambda part: self.link(part) if part in self.names else markup.code(part))

    def used_by(self, operations: Any) -> frozenset[str]:
        """The names of all types that these operations use, directly or through other types."""
        found: set[str] = set()
        new = {*_references(operations)}
        while new:
            found |= new
            new = {*_references([self._schemas[name] for name in new])} - found
        return frozenset(found)

    def _fields(self, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            optional = "" if name in required else ", optional"
            yield f"{markup.code(name)} {self.kind(field)}{optional}", self.prose(field.get("description", ""))


def _id(name: str) -> str:
    return f"type-{name}"


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(reference)}:
            yield _name(reference)
        case dict():
            for each in value.values():
                yield from _references(each)
        case list():
            for each in value:
                yield from _references(each)
