"""The documents of the project, and the parts of a Markdown page."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, README_CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]

CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def without_code(page: Path) -> str:
    """The text of a page without its code blocks."""
    return CODE_BLOCK.sub("", page.read_text())


def code_blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return CODE_BLOCK.findall(page.read_text())


def anchors(page: Path) -> Iterator[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    seen: dict[str, int] = {}
    for _, heading in HEADING.findall(without_code(page)):
        anchor = NOT_IN_ANCHORS.sub("", LINK_TEXT.sub(r"\1", heading).lower()).replace(" ", "-")
        count = seen[anchor] = seen.get(anchor, -1) + 1
        yield f"{anchor}-{count}" if count else anchor


def links(page: Path) -> list[str]:
    """The links of a page to files and headings of the project."""
    return [link for link in LINK.findall(without_code(page)) if "://" not in link]
