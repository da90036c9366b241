"""The links of each document lead to files and headings that exist, and the README is short."""

import re
from pathlib import Path

import pytest

from tests.markdown_pages import PAGES, README, ROOT, anchors, links

MAX_README_LINES = 150
MAKE_COMMAND = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)
MAKE_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def broken(page: Path) -> list[str]:
    """The links of a page that have no target."""
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_or_a_heading_has_a_target(page: Path) -> None:
    assert broken(page) == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MAX_README_LINES


def test_the_readme_links_to_every_page() -> None:
    linked = {ROOT / link.partition("#")[0] for link in links(README)}
    assert [page.name for page in PAGES if page not in linked | {README} and ".zh-CN" not in page.name] == []


def test_every_make_command_of_the_documents_exists() -> None:
    targets = MAKE_TARGET.findall((ROOT / "Makefile").read_text())
    named = {name for page in PAGES for name in MAKE_COMMAND.findall(page.read_text())}
    assert sorted(named - set(targets)) == []


def test_the_anchors_of_headings_are_the_same_as_on_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# openai-python 0.28.1\n```sh\n# a comment\n```\n## A, b & `C`\n## A, b & `C`\n## 出处 [x](y)\n")
    assert list(anchors(page)) == ["openai-python-0281", "a-b--c", "a-b--c-1", "出处-x"]
