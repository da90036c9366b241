"""A translation has the headings, code blocks and tables of its original."""

from pathlib import Path

import pytest

from tests.markdown_pages import DOCS, HEADING, README, README_CHINESE, code_blocks, without_code

CONFIGURATION, MIGRATION = DOCS / "configuration.md", DOCS / "coming-from-sora-api.md"


def chinese(page: Path) -> Path:
    return README_CHINESE if page == README else page.with_suffix(".zh-CN.md")


ORIGINALS = pytest.mark.parametrize("page", [README, CONFIGURATION, MIGRATION], ids=lambda page: page.name)


@ORIGINALS
def test_a_translation_has_the_same_headings_as_its_original(page: Path) -> None:
    assert levels(page) == levels(chinese(page))


def levels(page: Path) -> list[str]:
    return [level for level, _ in HEADING.findall(without_code(page))]


@ORIGINALS
def test_a_translation_has_the_same_code_blocks_as_its_original(page: Path) -> None:
    assert code_blocks(page) == code_blocks(chinese(page))


@ORIGINALS
def test_the_tables_of_a_translation_have_the_same_shape_as_those_of_its_original(page: Path) -> None:
    assert columns(page) == columns(chinese(page))


def columns(page: Path) -> list[int]:
    """The number of columns in each row of a page's tables."""
    return [line.count(" | ") for line in without_code(page).splitlines() if line.startswith("|")]
