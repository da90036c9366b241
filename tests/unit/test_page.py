"""The files of the page at `/` agree with each other and with the API. tests/programs tests the page in a browser."""

import re

from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.api.page import FILES, FOLDER

TEXTS = {name: content.decode() for name, (content, _) in FILES.items()}
ENGLISH, CHINESE = re.findall(r"^const (?:ENGLISH|CHINESE) = {$(.*?)^};$", TEXTS["words.js"], re.MULTILINE | re.DOTALL)


def names(language: str) -> set[str]:
    return set(re.findall(r"^  (\w+): ", language, re.MULTILINE))


def test_each_language_has_exactly_the_words_that_the_page_uses() -> None:
    used = set(re.findall(r"\bwords\.(?!js)(\w+)", TEXTS["page.js"])) | set(
        re.findall(r'data-word="(\w+)"', TEXTS["index.html"])
    )
    assert names(ENGLISH) == names(CHINESE) == used


def test_every_translated_error_has_a_known_error_code() -> None:
    codes = set(re.findall(r"^    (\w+): ", CHINESE, re.MULTILINE))
    assert codes
    assert codes <= set(ERROR_CODES)


def test_the_page_loads_each_of_its_files() -> None:
    loaded = set(re.findall(r'"(?:page|\.)/([\w.]+)"', "".join(TEXTS.values())))
    assert loaded | {"index.html"} == set(TEXTS)
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*TEXTS, "__init__.py"}


def test_the_page_has_no_inline_scripts_or_styles_and_names_no_other_hosts() -> None:
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", TEXTS["index.html"])
    assert not re.search(r"innerHTML|localStorage|sessionStorage|document\.cookie|eval\(", "".join(TEXTS.values()))
    assert "//" not in re.sub(r"//.*|http://www\.w3\.org/2000/svg", "", "".join(TEXTS.values()))
