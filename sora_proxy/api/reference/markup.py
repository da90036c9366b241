"""Pieces of HTML. All parameters are plain text, which is escaped, except those named `html`.

Every element is closed, as in XML, so that tests can parse the page strictly.
"""

from collections.abc import Callable, Iterable
from html import escape


def code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def link(target: str, text: str) -> str:
    """A link to the element with this id on the page."""
    return f'<a href="#{escape(target)}">{code(text)}</a>'


def prose(text: str, mark: Callable[[str], str] = code) -> str:
    """A text as HTML. The words between backticks are code."""
    return "".join(mark(part) if number % 2 else escape(part) for number, part in enumerate(text.split("`")))


def terms(rows: Iterable[tuple[str, str]]) -> str:
    """A list of terms and their descriptions, both in HTML; an empty string if there are no rows."""
    lines = "\n".join(f"<dt>{term}</dt><dd>{description}</dd>" for term, description in rows)
    return f"<dl>\n{lines}\n</dl>" if lines else ""


def entries(html: Iterable[str]) -> str:
    """A list of pieces of HTML; an empty string if there are none."""
    lines = "\n".join(f"<li>{entry}</li>" for entry in html)
    return f"<ul>\n{lines}\n</ul>" if lines else ""


def section(name: str, title: str, html: Iterable[str]) -> str:
    """A part of the page, with its heading."""
    content = "\n".join(html)
    return f'<section id="{escape(name)}">\n<h2>{escape(title)}</h2>\n{content}\n</section>'


def article(name: str, title: str, html: Iterable[str]) -> str:
    """A route or a type, with its heading."""
    content = "\n".join(filter(None, html))
    return f'<article id="{escape(name)}">\n<h3>{escape(title)}</h3>\n{content}\n</article>'
