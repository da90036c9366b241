"""The API's document is true, and can be read."""

from typing import Any

import pytest

from sora_proxy.api.http.error_codes import ERROR_CODES
from sora_proxy.api.reference.answer_schemas import (
    ChatCompletion,
    ChatCompletionList,
    Error,
    ModelList,
    StoredMessageList,
)
from sora_proxy.api.responses.schemas import InputItemList, ResponseAnswer
from tests.conftest import Proxy, Simulator


@pytest.fixture
async def document(proxy: Proxy) -> dict[str, Any]:
    found: dict[str, Any] = await proxy.get("/openapi.json")
    return found


async def test_answers_are_what_the_document_says(proxy: Proxy, simulator: Simulator) -> None:
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


async def test_the_page_shows_every_route_and_runs_nothing(proxy: Proxy, document: dict[str, Any]) -> None:
    async with proxy.client.get(f"{proxy.url}/docs", headers={"authorization": ""}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        policy = answer.headers["content-security-policy"]
        page = await answer.text()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in page
    assert "http" not in page
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<h3>{method.upper()} {path}</h3>" in page
    for code in ERROR_CODES:
        assert f"<code>{code}</code>" in page
