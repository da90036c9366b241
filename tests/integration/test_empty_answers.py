"""Answers without an image, from servers with chat completions or with Google's Gemini API."""

import base64
from typing import Any

import pytest

from tests.conftest import StartProxy
from tests.contract.openai_server import OpenAIServer
from tests.contract.relatives import ChatServer, GeminiServer, by_gemini, image_part, in_chat, inline_part
from tests.integration.test_openai_images import answer, entry, generate
from tests.sora_server import GIF

GIF_BASE64 = base64.b64encode(GIF).decode()
EMPTY: dict[type[OpenAIServer], list[Any]] = {
    ChatServer: [
        in_chat({"content": ""}),
        in_chat({"content": None, "images": []}),
        in_chat({"images": [image_part("")]}),
        in_chat({"images": [image_part("nothing")]}),
        {"choices": []},
        {"choices": "none"},
        {"choices": [None]},
        {"choices": [{"message": "none"}]},
        {"choices": [{"message": {"content": 5, "images": 5}}]},
        {"choices": [{"message": {"content": [5, None], "images": [5, {"image_url": {"url": 5}}]}}]},
        {"data": [{"b64_json": GIF_BASE64}]},
        [],
        None,
    ],
    GeminiServer: [
        by_gemini([]),
        by_gemini([inline_part("")]),
        by_gemini([inline_part("AAAA")]),
        by_gemini([], "<script>"),
        by_gemini([], "A" * 65),
        by_gemini([inline_part(GIF_BASE64, thought=True)]),
        {"candidates": [5]},
        {"candidates": {"content": 5}},
        {"candidates": [{"content": {"parts": [5, {"inlineData": 5}, {"inlineData": {"data": 5}}]}}]},
        {"candidates": [{"finishReason": 5}], "promptFeedback": 5},
        [],
        None,
    ],
}


@pytest.mark.parametrize(("protocol", "body"), [(each, body) for each, bodies in EMPTY.items() for body in bodies])
async def test_an_empty_answer_is_a_failure(start_proxy: StartProxy, protocol: type[OpenAIServer], body: Any) -> None:
    server = protocol()
    runner = await server.start()
    server.answers = [answer(200, body)]
    async with start_proxy(backends=[entry(server, models=[server.model], options=server.options)]) as proxy:
        status, found, _ = await generate(proxy, model=server.model)
        assert (status, found["error"]["code"]) == (502, "result_unavailable")
        assert await proxy.images_today() == 1
    assert len(server.bodies) == 1
    await runner.cleanup()
