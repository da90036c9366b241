"""The API page: its table of contents, its links, and its parts for clients and for operators."""

import itertools
import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

import orjson
import pytest
from aiohttp import web

from sora_proxy.api import ALIASES, FOR_CLIENTS, OPEN, add_routes
from sora_proxy.api.admin import FOR_OPERATORS, LOGIN
from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.api.reference.page import page as page_of
from sora_proxy.api.reference.routes import API_DOCUMENT
from tests.api_page import ApiPage, targets, text_of

HOSTILE = "</code></p><script>\"'&amp;`<b>`"


@pytest.fixture(scope="module")
def app() -> web.Application:
    app = web.Application()
    add_routes(app)
    return app


@pytest.fixture(scope="module")
def document(app: web.Application) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(app[API_DOCUMENT].document)
    return found


@pytest.fixture(scope="module")
def page(app: web.Application) -> ApiPage:
    return ApiPage.read(app[API_DOCUMENT].page)


def names_of(routes: Iterable[web.RouteDef]) -> set[str]:
    return {f"{route.method} {re.sub(r':[^{}]+}', '}', route.path)}" for route in routes}


def links_to_types(element: Element) -> set[str]:
    return {target for target in targets(element) if target.startswith("type-")}


def test_every_route_of_the_application_is_on_the_page_once(app: web.Application, page: ApiPage) -> None:
    routes = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    titles = [*page.titles("clients"), *page.titles("operators")]
    assert sorted(titles) == sorted(route for route in routes - names_of(ALIASES) if not route.startswith("HEAD "))


def test_the_page_has_separate_parts_for_operators_and_clients(page: ApiPage) -> None:
    assert set(page.titles("operators")) == names_of([LOGIN, *FOR_OPERATORS])
    assert set(page.titles("clients")) == names_of([*OPEN, *FOR_CLIENTS]) - names_of([LOGIN])
    for part in ("clients", "client-types"):
        assert links_to_types(page.part(part)) <= {f"type-{name}" for name in page.titles("client-types")}


def test_every_route_has_one_example_command_with_the_right_key(page: ApiPage) -> None:
    keyless = names_of(OPEN)
    for part, variable in (("clients", "$API_AUTH_TOKEN"), ("operators", "$ADMIN_KEY")):
        commands = [*page.commands(part)]
        assert [name for name, _ in commands] == page.titles(part)
        for name, command in commands:
            method, path = name.split(" ")
            implied = "POST" if " -d " in command else "GET"
            assert command.startswith("curl ")
            assert f"{path}'" in command
            assert (f" -X {method} " in command) == (method != implied), command
            assert (f'-H "Authorization: Bearer {variable}"' in command) == (name not in keyless), command


def test_every_type_is_described_once(page: ApiPage, document: dict[str, Any]) -> None:
    titles = [*page.titles("client-types"), *page.titles("operator-types")]
    assert sorted(titles) == sorted(document["components"]["schemas"])


def test_routes_and_types_link_to_the_types_that_they_use(page: ApiPage) -> None:
    assert links_to_types(page.part("post_v1_images_edits")) == {
        "type-EditRequest", "type-ImageRequest", "type-ImagesAnswer", "type-Error"
    }  # fmt: skip
    assert links_to_types(page.part("type-ChatCompletion")) == {"type-Choice", "type-Usage", "type-ErrorDetail"}


def test_every_route_links_to_the_list_of_all_error_codes(page: ApiPage) -> None:
    for part in ("clients", "operators"):
        for article in page.part(part).iter("article"):
            assert "error-codes" in targets(article), article.attrib["id"]
    assert targets(page.part("error-codes")) == {f"code-{code}" for code in ERROR_CODES}


def test_the_table_of_contents_links_to_every_part_route_and_type(page: ApiPage) -> None:
    (contents,) = page.root.iter("nav")
    parts = [*page.part("main").iter("section"), *page.part("main").iter("article")]
    assert targets(contents) == {part.attrib["id"] for part in parts}


def test_every_link_has_a_target_and_every_id_is_used_once(page: ApiPage) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert targets(page.root) <= set(page.ids)
    outside = {link.attrib["href"] for link in page.root.iter("a")} - {f"#{name}" for name in page.ids}
    assert outside == {"openapi.json"}


def test_the_page_can_be_read_with_a_keyboard_or_a_screen_reader(page: ApiPage) -> None:
    (body,) = page.root.iter("body")
    assert page.root.attrib["lang"] == "en"
    assert body[0].attrib["href"] == "#main"  # the first element is a link that skips the table of contents
    levels = [int(element.tag[1]) for element in page.root.iter() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_page_follows_the_colour_scheme_of_the_system_and_fits_a_phone(page: ApiPage) -> None:
    (style,) = page.root.iter("style")
    assert "color-scheme: light dark" in text_of(style)
    assert any(meta.get("name") == "viewport" for meta in page.root.iter("meta"))


def test_every_text_of_the_document_is_escaped(page: ApiPage, document: dict[str, Any]) -> None:
    hostile = ApiPage.read(page_of(with_hostile_texts(document)))
    elements = {element.tag for element in page.root.iter()}
    assert {element.tag for element in hostile.root.iter()} == elements
    assert text_of(hostile.root).count("<script>") > 500


def with_hostile_texts(value: Any) -> Any:
    """A copy of a document with markup in every text that readers see."""
    texts = {"summary", "description", "title", "version", "name", "in", "const", "example", "type"}
    if isinstance(value, dict):
        return {
            name: f"{each}{HOSTILE}" if name in texts and isinstance(each, str) else with_hostile_texts(each)
            for name, each in value.items()
        }
    return [with_hostile_texts(each) for each in value] if isinstance(value, list) else value
