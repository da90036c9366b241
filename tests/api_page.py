"""The API page as a browser reads it. The page is well-formed XML: elements are closed, and values are escaped."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring


@dataclass(frozen=True)
class ApiPage:
    root: Element

    @classmethod
    def read(cls, content: bytes) -> "ApiPage":
        return cls(fromstring(content))  # noqa: S314  # our own page

    @property
    def ids(self) -> list[str]:
        return [element.attrib["id"] for element in self.root.iter() if "id" in element.attrib]

    def part(self, name: str) -> Element:
        """The element with this id."""
        (found,) = (element for element in self.root.iter() if element.get("id") == name)
        return found

    def titles(self, part: str) -> list[str]:
        """The headings of the routes or types in a part."""
        return [text_of(heading) for heading in self.part(part).iter("h3")]

    def commands(self, part: str = "main") -> Iterator[tuple[str, str]]:
        """Pairs of a route's heading and a command below that heading."""
        for article in self.part(part).iter("article"):
            for command in article.iter("pre"):
                yield text_of(next(article.iter("h3"))), text_of(command)


def text_of(element: Element) -> str:
    return "".join(element.itertext())


def targets(element: Element) -> set[str]:
    """The ids to which the links in an element lead."""
    return {link.attrib["href"][1:] for link in element.iter("a") if link.attrib["href"].startswith("#")}
