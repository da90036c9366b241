"""Images in chat answers. Each test sets the answers of the server."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import ADMIN_KEY, Proxy, StartProxy
from tests.contract.openai_server import OpenAIServer
from tests.contract.relatives import ChatServer, image_part, in_chat
from tests.contract.toy_server import image_of
from tests.eventually import eventually
from tests.integration.test_openai_images import answer, entry, generate, listed, state_of
from tests.sora_server import GIF

MODEL = ChatServer.model
ENCODED = base64.b64encode(GIF).decode()
URI = f"data:image/png;base64,{ENCODED}"


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    server = ChatServer()
    runner = await server.start()
    yield server
    await runner.cleanup()


def chat_entry(server: OpenAIServer, profile: str = "openrouter", **fields: Any) -> dict[str, Any]:
    return entry(server, models=[MODEL], options={"profile": profile}, **fields)


async def made(proxy: Proxy, **fields: Any) -> bytes:
    """Place an order; returns its first image."""
    status, found, _ = await generate(proxy, model=MODEL, **fields)
    assert status == 200, found
    return base64.b64decode(found["data"][0]["b64_json"])


async def refused(proxy: Proxy, **fields: Any) -> tuple[int, str, str]:
    status, found, _ = await generate(proxy, model=MODEL, **fields)
    return status, found["error"]["code"], found["error"]["message"]


FORMS: dict[str, dict[str, Any]] = {
    "images": {"content": "", "images": [image_part(URI)]},
    "images beside a text with an image": {"content": f"![a]({URI})", "images": [image_part(URI)]},
    "markdown": {"content": f"Here it is:\n\n![a red fox]({URI})\n\nEnjoy!"},
    "markdown with a title": {"content": f'![]( <{URI}> "fox")'},
    "a clickable image": {"content": f"[![fox]({URI})](http://example.com)"},
    "parts": {"content": [{"type": "text", "text": "Here it is."}, image_part(URI)]},
    "parts with markdown": {"content": [{"type": "text", "text": f"![fox]({URI})"}]},
    "a part whose image is a text": {"content": [{"type": "image_url", "image_url": URI}]},
    "images beside an image of null": {
        "content": None,
        "images": [{"type": "image_url", "image_url": None}, image_part(URI)],
    },
}


@pytest.mark.parametrize("form", FORMS)
async def test_an_image_is_found_in_each_form_of_chat_answer(
    start_proxy: StartProxy, server: ChatServer, form: str
) -> None:
    server.answers = [answer(200, in_chat(FORMS[form]))]
    async with start_proxy(backends=[chat_entry(server, "chat")]) as proxy:
        assert await made(proxy) == GIF


@pytest.mark.parametrize("form", ["images", "markdown"])
async def test_a_large_image_arrives_whole_and_does_not_count_as_text(
    start_proxy: StartProxy, server: ChatServer, form: str
) -> None:
    large = image_of("a red fox") + bytes(5_000_000)
    uri = f"data:image/gif;base64,{base64.b64encode(large).decode()}"
    message = {"images": [image_part(uri)]} if form == "images" else {"content": f"Here:\n![fox]({uri})\nEnjoy!"}
    server.answers = [answer(200, in_chat(message))]  # more than a megabyte besides base64 would be refused
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        assert await made(proxy) == large


async def test_an_image_at_an_address_is_fetched_without_the_key(start_proxy: StartProxy, server: ChatServer) -> None:
    whole = f"{server.url}/files/fox.gif"
    server.answers = [
        answer(200, in_chat({"content": f"![fox]({whole})"})),
        answer(200, in_chat({"images": [image_part(whole)]})),
        answer(200, in_chat({"images": [image_part("/files/fox.gif")]})),
    ]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        for _ in range(3):
            assert await made(proxy) == GIF
    assert server.file_keys == [None] * 3


@pytest.mark.parametrize(
    "link", ["/admin/delete?id=7", "admin/delete", "//{host}/files/fox.gif", "{url}/files/mine.gif"]
)
async def test_an_incomplete_link_or_a_link_from_the_prompt_is_not_fetched(
    start_proxy: StartProxy, server: ChatServer, link: str
) -> None:
    link = link.format(url=server.url, host=server.url.removeprefix("http://"))
    server.answers = [answer(200, in_chat({"content": f"I can't edit ![yours]({link})"}))]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        body = {"model": MODEL, "prompt": f"edit {link} please"}
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json=body) as found:
            assert (found.status, (await found.json())["error"]["code"]) == (400, "order_refused")
    assert server.file_keys == []


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_key_is_never_sent_to_another_host_and_private_hosts_must_be_allowed(
    start_proxy: StartProxy, server: ChatServer, allowed: bool
) -> None:
    elsewhere = OpenAIServer()
    runner = await elsewhere.start()
    server.redirect_to = f"{elsewhere.url}/files/fox.gif"
    server.answers = [
        answer(200, in_chat({"content": f"![fox]({address})"}))
        for address in (f"{elsewhere.url}/files/fox.gif", f"{server.url}/redirected")
    ]
    allow = [elsewhere.url.removeprefix("http://")] if allowed else []
    async with start_proxy(backends=[chat_entry(server)], result_allow=allow) as proxy:
        for _ in range(2):
            status, found, _ = await generate(proxy, model=MODEL)
            assert (status, found.get("error", {}).get("code")) == (
                (200, None) if allowed else (502, "result_unavailable")
            )
    assert elsewhere.file_keys == ([None] * 2 if allowed else [])
    await runner.cleanup()


@pytest.mark.parametrize("large", [True, False])
async def test_only_the_first_of_several_images_in_an_answer_is_stored(
    start_proxy: StartProxy, server: ChatServer, tmp_path: Path, large: bool
) -> None:
    images = [image_of(colour) + bytes(6000 * large) for colour in ("a red fox", "a blue fox")] + [GIF] * 20
    parts = [image_part(f"data:image/gif;base64,{base64.b64encode(image).decode()}") for image in images]
    server.answers = [answer(200, in_chat({"content": "Two foxes.", "images": parts}))]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        assert await made(proxy) == images[0]
        assert len(await asyncio.to_thread(lambda: list((tmp_path / "data/images").iterdir()))) == 1


async def test_base64_that_is_not_an_image_may_precede_the_image(start_proxy: StartProxy, server: ChatServer) -> None:
    """The answers of reasoning models contain their encrypted reasoning in base64."""
    thought = {"type": "reasoning.encrypted", "data": base64.b64encode(bytes(9000)).decode()}
    image = image_of("a red fox") + bytes(6000)
    uri = f"data:image/gif;base64,{base64.b64encode(image).decode()}"
    server.answers = [answer(200, in_chat({"reasoning_details": [thought] * 3, "images": [image_part(uri)]}))]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        assert await made(proxy) == image


async def test_an_order_for_several_images_makes_one_call_per_image(
    start_proxy: StartProxy, server: ChatServer
) -> None:
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        status, found, _ = await generate(proxy, model=MODEL, n=3)
        assert (status, len(found["data"])) == (200, 3)
        assert await proxy.images_today() == 3
    assert server.registered == 3


async def test_usage_is_reported_with_the_field_names_of_the_images_api(
    start_proxy: StartProxy, server: ChatServer
) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 1290, "total_tokens": 1297, "cost": 0.039}
    server.answers = [answer(200, in_chat({"images": [image_part(URI)]}, usage=usage))]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        found = (await generate(proxy, model=MODEL))[1]["usage"]
    counts = {"input_tokens": 7, "output_tokens": 1290, "total_tokens": 1297, "cost": 0.039}
    assert {name: found[name] for name in counts} == counts


# --- Without an image -------------------------------------------------------------------------------------------------


async def test_text_instead_of_an_image_is_shown_in_one_plain_line_and_not_logged(
    start_proxy: StartProxy, server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    words = "I can't draw\r\n\x1b[2J\u202e a **fox**: <script>](http://evil.example) `x` " + "y" * 1000
    contents: list[Any] = [words, [{"type": "text", "text": words}]]
    server.answers = [answer(200, in_chat({"content": content})) for content in contents]
    server.answers.append(answer(200, in_chat({"content": None, "refusal": words})))
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        for _ in range(3):
            status, code, message = await refused(proxy)
            assert (status, code) == (400, "order_refused")
            said = message.partition("The model answered with words instead of an image: ")[2]
            assert said.startswith("I can't draw 2J a **fox**: script (http://evil.example) x yyy")
            assert said.isprintable()
            assert len(said) <= 300
        assert await proxy.images_today() == 3
        assert state_of(proxy).rejected is None
    assert "draw" not in caplog.text
    assert len(server.bodies) == 3


async def test_text_instead_of_one_image_does_not_affect_the_other_images(
    start_proxy: StartProxy, server: ChatServer
) -> None:
    server.answers = [answer(200, in_chat({"content": "No."}))]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        status, found, _ = await generate(proxy, model=MODEL, n=2)
        assert (status, len(found["data"])) == (200, 1)
        assert [each["code"] for each in found["errors"]] == ["order_refused"]
        assert await proxy.images_today() == 2


def error(code: Any, **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": "a text of the back end", "metadata": metadata}}


def in_choice(code: Any) -> dict[str, Any]:
    """An error that occurs after the model has begun its answer; it is reported in a choice."""
    return {"choices": [error(code) | {"finish_reason": "error", "message": {"content": ""}}]}


MODERATED = error(403, reasons=["violence"], flagged_input="a red fox", provider_name="Google")
FAULTS = [
    (403, MODERATED, "content_policy_violation", 0),
    (200, MODERATED, "content_policy_violation", 0),
    (200, {"choices": [{"finish_reason": "content_filter", "message": {}}]}, "content_policy_violation", 0),
    (400, error(400), "order_refused", 0),
    (200, error(400), "order_refused", 0),
    (200, in_choice(400), "order_refused", 0),
    (404, error(404), "model_unavailable", 0),
    (408, error(408), "outcome_unknown", 1),
    (502, error(502), "outcome_unknown", 1),
    (503, error(503), "outcome_unknown", 1),
    (200, error(502), "outcome_unknown", 1),
    (200, in_choice(502), "outcome_unknown", 1),
    (200, in_choice("server_error"), "outcome_unknown", 1),
]


@pytest.mark.parametrize(("status", "body", "code", "counted"), FAULTS)
async def test_an_error_anywhere_in_the_answer_is_classified_by_its_status(
    start_proxy: StartProxy, server: ChatServer, status: int, body: Any, code: str, counted: int
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        found = await refused(proxy)
        assert found[1] == code
        assert "text of the back end" not in found[2]
        assert await proxy.images_today() == counted
        assert await made(proxy) == image_of("a red fox")
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, error(401)), (402, error(402)), (403, error(403)), (200, error(402)), (200, in_choice(401))],
)
async def test_another_key_makes_the_image_after_a_key_is_rejected(
    start_proxy: StartProxy, server: ChatServer, status: int, body: Any
) -> None:
    server.answers = [answer(status, body)]
    async with start_proxy(backends=[chat_entry(server) | {"keys": [{"key": "one"}, {"key": "two"}]}]) as proxy:
        assert await made(proxy) == image_of("a red fox")
    assert sorted(map(str, server.keys)) == ["Bearer one", "Bearer two"]
    assert server.registered == 1


@pytest.mark.parametrize(("status", "body"), [(429, error(429)), (200, in_choice(429))])
async def test_an_order_waits_for_the_end_of_a_rate_limit(
    start_proxy: StartProxy, server: ChatServer, status: int, body: Any
) -> None:
    server.answers = [answer(status, body, retry_after="1")]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        assert await made(proxy) == image_of("a red fox")
    assert (len(server.bodies), server.registered) == (2, 1)


HOSTILE: dict[str, tuple[Any, str]] = {
    "a megabyte of words": ('{"choices": [{"message": {"content": "' + "a b" * 2**20 + '"}}]}', "outcome_unknown"),
    "many beginnings of an image": (in_chat({"content": "![" * 40_000}), "order_refused"),
    "an image that never ends": (in_chat({"content": "![" + "a](" * 300_000}), "order_refused"),
    "many brackets": (in_chat({"content": "![]" * 40_000}), "order_refused"),
    "base64 that breaks off": ('{"choices": [{"message": {"content": "![](' + f"{URI}" * 3, "outcome_unknown"),
    "a placeholder of ours": (in_chat({"content": "![](data:image/png;base64,\x000\x00)"}), "result_unavailable"),
    "an address of a file": (in_chat({"content": "![](file:///etc/passwd)"}), "order_refused"),
    "a script": (in_chat({"content": "![](javascript:alert(1))"}), "order_refused"),
    "HTML as an image": (in_chat({"content": "![](data:text/html;base64,PGh0bWw+PC9odG1sPg==)"}), "result_unavailable"),
    "events": (web.Response(body=b"data: {}\n\n" * 1000, content_type="text/event-stream"), "outcome_unknown"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_answer_affects_only_its_own_order(
    start_proxy: StartProxy, server: ChatServer, hostile: str
) -> None:
    given, code = HOSTILE[hostile]
    if isinstance(given, web.Response):
        given = web.Response(body=given.body, content_type=given.content_type)
    elif isinstance(given, str):
        given = web.Response(text=given, content_type="application/json")
    else:
        given = answer(200, given)
    server.answers = [given]
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        assert (await refused(proxy))[1] == code
        assert await made(proxy) == image_of("a red fox")
    assert len(server.bodies) == 2


# --- Models -----------------------------------------------------------------------------------------------------------


async def test_only_models_that_make_images_are_listed(start_proxy: StartProxy, server: ChatServer) -> None:
    async with start_proxy(backends=[chat_entry(server) | {"models": None}]) as proxy:

        async def all_listed() -> bool:
            return list(await listed(proxy)) == [MODEL, "black-forest-labs/flux.2-pro"]

        await eventually(all_listed)


async def test_a_key_is_tested_with_a_call_that_requires_a_key(start_proxy: StartProxy, server: ChatServer) -> None:
    """The call that lists the models requires no key, so it can't be used for the test."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with start_proxy(backends=[chat_entry(server)]) as proxy:
        for server.key_works in (True, False):
            test = f"{proxy.url}/admin/api/keys/{state_of(proxy).id}/test"
            async with proxy.client.post(test, headers=headers) as tested:
                assert (await tested.json())["works"] is server.key_works
