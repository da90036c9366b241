"""The API document is correct, and its page is readable."""

import base64
import hashlib

import pytest

from sora_proxy.api.reference.answer_schemas import (
    ChatCompletion,
    ChatCompletionList,
    Error,
    ModelList,
    StoredMessageList,
)
from sora_proxy.api.responses.schemas import InputItemList, ResponseAnswer
from tests.api_page import ApiPage, text_of
from tests.conftest import Proxy, Simulator, StartProxy


async def test_answers_match_the_api_document(proxy: Proxy, simulator: Simulator) -> None:
    async with proxy.chat(store=True, metadata={"k": "v"}) as answer:
        made = ChatCompletion.model_validate_json(await answer.read(), strict=True)
    async with proxy.chat("Provide a concise, 5-word-or-less title for the conversation") as answer:
        ChatCompletion.model_validate_json(await answer.read(), strict=True)
    async with proxy.chat(background=True) as answer:
        ChatCompletion.model_validate_json(await answer.read(), strict=True)
    await simulator.order_fault("moderation", times=None)
    async with proxy.chat() as answer:
        Error.model_validate_json(await answer.read(), strict=True)
        failed = answer.headers["x-generation-id"]
    response = f"/v1/responses/{failed.replace('chatcmpl-', 'resp_')}"
    for path, kind in (
        ("/v1/chat/completions", ChatCompletionList),
        (f"/v1/chat/completions/{made.id}/messages", StoredMessageList),
        (f"/v1/generation/{failed}", ChatCompletion),
        (f"/v1/responses/{made.id.replace('chatcmpl-', 'resp_')}", ResponseAnswer),
        (response, ResponseAnswer),
        (f"{response}/input_items", InputItemList),
        ("/v1/models", ModelList),
    ):
        async with proxy.client.get(proxy.url + path) as answer:
            kind.model_validate_json(await answer.read(), strict=True)


async def test_the_api_page_has_no_scripts_and_loads_nothing(proxy: Proxy) -> None:
    async with proxy.client.get(f"{proxy.url}/docs", headers={"authorization": ""}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        policy = answer.headers["content-security-policy"]
        page = ApiPage.read(await answer.read())
    digest = base64.b64encode(hashlib.sha256(text_of(next(page.root.iter("style"))).encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not {"script", "link", "img", "iframe", "object"} & {element.tag for element in page.root.iter()}
    assert not {"style", "src", "onclick"} & {name for element in page.root.iter() for name in element.attrib}


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("images.example.com", "http://images.example.com"),
        ("images.example.com:8080", "http://images.example.com:8080"),
        ("[::1]:8890", "http://[::1]:8890"),
        ("bücher.example", "http://xn--bcher-kva.example"),
        ("a';id;'", "http://a%27%3Bid%3B%27"),
        ("$(id)`id`", "http://%24%28id%29%60id%60"),
        ('<b>"&amp;', "http://%3Cb%3E%22%26amp%3B"),
        ("a:b:c", None),
    ],
)
async def test_the_commands_of_the_api_page_call_the_host_of_the_request(
    proxy: Proxy, host: str, origin: str | None
) -> None:
    async with proxy.client.get(f"{proxy.url}/docs", headers={"host": host}) as answer:
        commands = dict(ApiPage.read(await answer.read()).commands())
    port = proxy.url.rpartition(":")[2]
    assert commands["GET /health"] == f"curl '{origin or f'http://localhost:{port}'}/health'"


async def test_the_commands_of_the_api_page_call_the_public_address(start_proxy: StartProxy) -> None:
    settings = {"base_url": "https://images.example.com/v"}
    async with start_proxy(**settings) as proxy, proxy.client.get(f"{proxy.url}/docs") as answer:
        commands = dict(ApiPage.read(await answer.read()).commands())
    assert commands["GET /health"] == "curl 'https://images.example.com/v/health'"
