"""The tables of error codes, simulators and variables agree with the program."""

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.settings.options import Settings
from sora_proxy.simulator.comfyui import ComfyUIOptions
from sora_proxy.simulator.comfyui.faults import KINDS as COMFYUI_KINDS
from sora_proxy.simulator.fault_kinds import KINDS
from sora_proxy.simulator.images import ImagesOptions
from sora_proxy.simulator.images.faults import KINDS as IMAGES_KINDS
from sora_proxy.simulator.options import SimulatorOptions
from tests.markdown_pages import DOCS

VARIABLE = re.compile(r"`([A-Z_]+)`")


@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_each_variable_documented_as_shared_with_sora_api_is_an_option(language: str) -> None:
    page = DOCS / f"coming-from-sora-api{language}.md"
    section = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[2]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    names = [name for row in rows for name in VARIABLE.findall(row)]
    assert len(names) == 15
    assert [name for name in names if name.lower() not in Settings.model_fields] == []


@pytest.mark.parametrize(
    ("page", "options", "kinds"),
    [
        ("simulator.md", SimulatorOptions, KINDS),
        ("openai-images.md", ImagesOptions, IMAGES_KINDS),
        ("comfyui.md", ComfyUIOptions, COMFYUI_KINDS),
    ],
)
def test_the_page_of_a_simulator_lists_its_options_and_faults(
    page: str, options: type[Any], kinds: Iterable[str]
) -> None:
    text = (DOCS / page).read_text()
    names = [f"--{option.name.replace('_', '-')}" for option in fields(options)] + list(kinds)
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_documented_table_of_error_codes_matches_the_program() -> None:
    rows = [
        f"| `{code}` | {meaning.status} | {meaning.retry} | {meaning.advice} |" for code, meaning in ERROR_CODES.items()
    ]
    lines = Path(DOCS / "errors.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `")] == rows
