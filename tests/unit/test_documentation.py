"""The options, the example file and the documents tell the same, in both languages."""

import re
from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.settings.kinds import UpstreamKeys
from sora_proxy.settings.options import Settings
from sora_proxy.simulator.comfyui import ComfyUIOptions
from sora_proxy.simulator.comfyui.faults import KINDS as COMFYUI_KINDS
from sora_proxy.simulator.fault_kinds import KINDS
from sora_proxy.simulator.images import ImagesOptions
from sora_proxy.simulator.images.faults import KINDS as IMAGES_KINDS
from sora_proxy.simulator.options import SimulatorOptions

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "sora_proxy.env.example"
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
MIGRATION, MIGRATION_CHINESE = (ROOT / "docs" / f"coming-from-sora-api{language}.md" for language in ("", ".zh-CN"))
READMES = pytest.mark.parametrize("readme", [ENGLISH, CHINESE], ids=lambda path: path.name)
DOCUMENTS = [ENGLISH, CHINESE, MIGRATION, MIGRATION_CHINESE]
TRANSLATIONS = pytest.mark.parametrize(
    ("english", "chinese"), [(ENGLISH, CHINESE), (MIGRATION, MIGRATION_CHINESE)], ids=lambda path: path.name
)

OPTIONS = [name.upper() for name in Settings.model_fields]
UNSET = ("unset", "未设置")
NOTHING: tuple[Any, ...] = (None, (), {})

EXAMPLE_LINE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def without_code(path: Path) -> str:
    return CODE_BLOCK.sub("", path.read_text())


def options_section(readme: Path) -> str:
    """The third chapter of a README, which holds the table of the options; the simulator's stand elsewhere."""
    return re.split(r"^## ", without_code(readme), flags=re.MULTILINE)[3]


def defaults_of_example() -> dict[str, str]:
    return dict(EXAMPLE_LINE.findall(EXAMPLE.read_text()))


def defaults_of_readme(readme: Path) -> dict[str, str]:
    rows = TABLE_ROW.findall(options_section(readme))
    return {name: "" if default in UNSET else default.strip("`") for name, default, _ in rows}


def documented_defaults(document: Path) -> dict[str, str]:
    return defaults_of_example() if document == EXAMPLE else defaults_of_readme(document)


@pytest.fixture(params=[EXAMPLE, ENGLISH, CHINESE], ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_document_names_the_options_in_the_order_of_the_program(document: Path) -> None:
    assert list(documented_defaults(document)) == OPTIONS


def test_every_documented_default_is_the_default(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OPTIONS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    file = tmp_path / "documented.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in documented_defaults(document).items()))
    told = Settings(_env_file=file).model_dump()
    assert told == Settings.model_construct().model_dump()


def test_only_an_option_without_a_default_is_documented_as_unset(document: Path) -> None:
    unset = [name for name, value in documented_defaults(document).items() if not value]
    assert unset == [name.upper() for name, field in Settings.model_fields.items() if field.default in NOTHING]


def test_each_option_of_the_example_file_has_its_description_as_comment() -> None:
    lines = EXAMPLE.read_text().splitlines()
    comments = {line[1:].partition("=")[0]: before for before, line in pairwise(lines)}
    for name, field in Settings.model_fields.items():
        assert comments[name.upper()] == f"# {field.description}"


def test_the_english_table_gives_each_option_its_description() -> None:
    meanings = {name: meaning for name, _, meaning in TABLE_ROW.findall(options_section(ENGLISH))}
    assert meanings == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_the_example_file_sets_nothing_until_it_is_edited() -> None:
    assert all(line.startswith("#") or not line for line in EXAMPLE.read_text().splitlines())


def test_the_example_of_the_key_file_holds_keys_that_can_be_used() -> None:
    keys = TypeAdapter(UpstreamKeys).validate_python((ROOT / "config" / "api_keys.example.json").read_bytes())
    assert [key.name for key in keys] == ["first", "second"]


@TRANSLATIONS
def test_a_translation_has_the_same_headings(english: Path, chinese: Path) -> None:
    assert HEADING.findall(without_code(english)) == HEADING.findall(without_code(chinese))


@TRANSLATIONS
def test_a_translation_has_the_same_code_blocks(english: Path, chinese: Path) -> None:
    assert CODE_BLOCK.findall(english.read_text()) == CODE_BLOCK.findall(chinese.read_text())


@TRANSLATIONS
def test_a_translation_has_tables_of_the_same_length(english: Path, chinese: Path) -> None:
    columns, translated = (
        [line.count(" | ") for line in without_code(document).splitlines() if line.startswith("|")]
        for document in (english, chinese)
    )
    assert columns == translated


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_of_a_document_exists(path: Path) -> None:
    links = [link for link in LINK.findall(without_code(path)) if not link.startswith(("http://", "https://"))]
    assert links
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("path", [MIGRATION, MIGRATION_CHINESE], ids=lambda path: path.name)
def test_each_variable_that_keeps_its_name_is_an_option(path: Path) -> None:
    section = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)[2]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert len(names) == 15
    assert [name for name in names if name not in OPTIONS] == []


def unnamed(document: Path, options: type[Any], kinds: Iterable[str]) -> list[str]:
    """The options and faults that a document does not name."""
    names = [f"--{option.name.replace('_', '-')}" for option in fields(options)] + list(kinds)
    return [name for name in names if f"`{name}`" not in document.read_text()]


@READMES
def test_a_readme_names_every_option_and_fault_of_the_simulator(readme: Path) -> None:
    assert unnamed(readme, SimulatorOptions, KINDS) == []


def test_the_document_of_the_images_api_names_every_option_and_fault_of_its_simulator() -> None:
    assert unnamed(ROOT / "docs" / "openai-images.md", ImagesOptions, IMAGES_KINDS) == []


def test_the_document_of_comfyui_names_every_option_and_fault_of_its_simulator() -> None:
    assert unnamed(ROOT / "docs" / "comfyui.md", ComfyUIOptions, COMFYUI_KINDS) == []


def test_the_table_of_error_codes_is_that_of_the_program() -> None:
    rows = [
        f"| `{code}` | {meaning.status} | {meaning.retry} | {meaning.advice} |" for code, meaning in ERROR_CODES.items()
    ]
    lines = (ROOT / "docs" / "errors.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `")] == rows
