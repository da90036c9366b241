"""The descriptions of options in the documents agree with `Settings`."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from docs import options
from sora_proxy.settings.kinds import UpstreamKeys
from sora_proxy.settings.options import Settings
from tests.markdown_pages import DOCS, ROOT, without_code

CHINESE = DOCS / "configuration.zh-CN.md"
OPTIONS = [name.upper() for name in Settings.model_fields]
UNSET = ("unset", "未设置")
NOTHING: tuple[Any, ...] = (None, (), {})
EXAMPLE_LINE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def documented_defaults(document: Path) -> dict[str, str]:
    if document == options.EXAMPLE:
        return dict(EXAMPLE_LINE.findall(document.read_text()))
    section = re.split(r"^## ", without_code(document), flags=re.MULTILINE)[2]
    rows = TABLE_ROW.findall(section)
    return {name: "" if default in UNSET else default.strip("`") for name, default, _ in rows}


@pytest.fixture(params=[options.EXAMPLE, options.TABLES, CHINESE], ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_table_of_options_equals_the_output_of_make_docs() -> None:
    assert options.TABLES.read_text() == options.configuration()


def test_the_example_file_equals_the_output_of_make_docs() -> None:
    assert options.EXAMPLE.read_text() == options.example()


def test_every_document_lists_the_options_in_the_order_in_which_the_program_defines_them(document: Path) -> None:
    assert list(documented_defaults(document)) == OPTIONS


def test_every_documented_default_is_the_default_of_the_program(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OPTIONS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    file = tmp_path / "documented.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in documented_defaults(document).items()))
    assert Settings(_env_file=file).model_dump() == Settings.model_construct().model_dump()


def test_only_an_option_without_a_default_is_documented_as_unset(document: Path) -> None:
    unset = [name for name, value in documented_defaults(document).items() if not value]
    assert unset == [name.upper() for name, field in Settings.model_fields.items() if field.default in NOTHING]


def test_the_example_file_sets_no_option_until_it_is_edited() -> None:
    assert all(line.startswith("#") or not line for line in options.EXAMPLE.read_text().splitlines())


def test_no_description_contains_the_column_separator_of_tables() -> None:
    assert [name for name, field in Settings.model_fields.items() if "|" in (field.description or "")] == []


def test_the_example_of_the_key_file_contains_valid_keys() -> None:
    keys = TypeAdapter(UpstreamKeys).validate_python((ROOT / "config" / "api_keys.example.json").read_bytes())
    assert [key.name for key in keys] == ["first", "second"]
