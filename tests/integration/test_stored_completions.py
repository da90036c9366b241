"""Stored completions over real sockets: metadata, retrieval, lists, messages and deletion."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import ADMIN_KEY, Proxy, Simulator, StartProxy, in_front_of
from tests.streams import read_stream

PATH = "/v1/chat/completions"


async def order(proxy: Proxy, prompt: str = "a red fox", **fields: Any) -> dict[str, Any]:
    async with proxy.chat(prompt, **{"store": True, "background": True} | fields) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


async def listed(proxy: Proxy, query: str = "") -> list[str]:
    return [each["id"] for each in (await proxy.get(f"{PATH}?{query}"))["data"]]


async def test_metadata_can_be_changed_and_survives_a_restart(start_proxy: StartProxy, simulator: Simulator) -> None:
    async with start_proxy(**in_front_of(simulator)) as proxy:
        made = await order(proxy, metadata={"album": "foxes"}, store=False)
        assert made["metadata"] == {"album": "foxes"}
        path = f"{proxy.url}{PATH}/{made['id']}"
        async with proxy.client.post(path, json={"metadata": {"album": "wolves", "n": "2"}}) as answer:
            assert answer.status == 200
            assert (await answer.json())["metadata"] == {"album": "wolves", "n": "2"}
        assert (await proxy.ended(made["id"]))["metadata"] == {"album": "wolves", "n": "2"}
    async with start_proxy(**in_front_of(simulator)) as proxy:
        assert (await proxy.get(f"{PATH}/{made['id']}"))["metadata"] == {"album": "wolves", "n": "2"}
        async with proxy.client.post(f"{proxy.url}{PATH}/{made['id']}", json={"metadata": None}) as answer:
            assert (await answer.json())["metadata"] == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"metadata": 7}', b'{"metadata": {"a": 1}}'])
async def test_invalid_metadata_is_refused(proxy: Proxy, body: bytes) -> None:
    made = await order(proxy)
    async with proxy.client.post(f"{proxy.url}{PATH}/{made['id']}", data=body) as answer:
        assert answer.status == 400


async def test_the_list_shows_stored_completions_oldest_first_in_pages(proxy: Proxy) -> None:
    ids = [(await order(proxy, f"number {n}"))["id"] for n in range(5)]
    await order(proxy, store=False)

    assert await listed(proxy) == ids
    assert await listed(proxy, "order=desc") == ids[::-1]
    assert await listed(proxy, f"limit=2&after={ids[1]}") == ids[2:4]
    assert await listed(proxy, f"limit=2&order=desc&after={ids[1]}") == [ids[0]]
    page = await proxy.get(f"{PATH}?limit=3")
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", ids[0], ids[2], True)
    assert (await proxy.get(f"{PATH}?limit=3&after={ids[2]}"))["has_more"] is False
    assert (await proxy.get(f"{PATH}?limit=5"))["has_more"] is False


async def test_the_list_is_filtered_by_model_and_metadata(proxy: Proxy) -> None:
    odd = {"a.b": "1", "it's": "x", "$": "y", "[0]": "z", "": "empty", "汉字": "值"}
    one = (await order(proxy, metadata={"k": "v", "n": "1"}))["id"]
    two = (await order(proxy, metadata={"k": "v"} | odd, model="sora-image"))["id"]

    assert await listed(proxy, "model=sora-image") == [two]
    assert await listed(proxy, "model=none") == []
    assert await listed(proxy, "metadata[k]=v") == [one, two]
    assert await listed(proxy, "metadata[k]=v&metadata[n]=1") == [one]
    assert await listed(proxy, "metadata[k]=w") == []
    for name, value in odd.items():
        async with proxy.client.get(proxy.url + PATH, params={f"metadata[{name}]": value}) as answer:
            assert [each["id"] for each in (await answer.json())["data"]] == [two], name


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0&after=after", 200),
        ("after=unknown", 200),
        ("limit=-1", 200),
        ("limit=999999999999", 200),
        ("what=ever", 200),
        ("metadata[k]=%00", 200),
        ("after=%ff", 200),
        ("after=%ed%a0%80&model=%ff&metadata[%ff]=%ff", 200),
        ("limit=x", 400),
        ("limit=", 400),
        ("limit=" + "9" * 5000, 400),
        ("order=up", 400),
        ("metadata[%22]=x", 400),
        ("metadata[%5c]=x", 400),
        ("metadata[%00]=x", 400),
    ],
)
@pytest.mark.parametrize("path", [PATH, PATH + "/{id}/messages"])
async def test_odd_page_parameters_are_accepted_or_refused_by_name(
    proxy: Proxy, path: str, query: str, status: int
) -> None:
    made = await order(proxy)
    async with proxy.client.get(f"{proxy.url}{path.format(**made)}?{query}") as answer:
        assert answer.status == status
        body = await answer.json()
    if status == 200:
        assert set(body) == {"object", "data", "first_id", "last_id", "has_more"}
        assert not body["data"] or "after" not in query
    else:
        assert body["error"]["param"] in query


async def test_stored_messages_omit_the_images_of_the_order(proxy: Proxy) -> None:
    gif = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
    made = await order(
        proxy,
        messages=[
            {"role": "system", "content": "you paint"},
            {"role": "user", "content": [{"type": "strange"}]},
            {"role": "assistant", "content": None},
            {
                "role": "user",
                "content": [{"type": "text", "text": f"a fox {gif}"}],
            },
        ],
    )
    page = await proxy.get(f"{PATH}/{made['id']}/messages")
    assert [(each["role"], each["content"]) for each in page["data"]] == [
        ("system", "you paint"),
        ("user", ""),
        ("assistant", ""),
        ("user", "a fox"),
    ]
    ids = [each["id"] for each in page["data"]]
    assert len(set(ids)) == 4
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[0], ids[3], False)
    second = await proxy.get(f"{PATH}/{made['id']}/messages?order=desc&limit=2&after={ids[2]}")
    assert [each["id"] for each in second["data"]] == [ids[1], ids[0]]


async def test_only_the_end_of_a_long_conversation_is_stored(proxy: Proxy) -> None:
    long = [{"role": "user", "content": f"{n} {'x' * 20_000}"} for n in range(10)]
    made = await order(proxy, messages=[*long, {"role": "user", "content": "a fox"}])
    said = [each["content"] for each in (await proxy.get(f"{PATH}/{made['id']}/messages"))["data"]]
    assert said[-1] == "a fox"
    assert [text.split()[0] for text in said[:-1]] == ["7", "8", "9"]


async def test_the_only_stored_message_of_an_order_without_store_is_its_prompt(proxy: Proxy) -> None:
    made = await order(proxy, store=None)
    (message,) = (await proxy.get(f"{PATH}/{made['id']}/messages"))["data"]
    assert (message["role"], message["content"]) == ("user", "a red fox")


async def test_deleting_a_completion_deletes_its_images(proxy: Proxy, tmp_path: Path) -> None:
    made = await order(proxy, "a secret fox", background=False, metadata={"k": "secret"})
    link = re.search(r"\((\S+)\)", made["choices"][0]["message"]["content"])
    assert link is not None
    async with proxy.client.delete(f"{proxy.url}{PATH}/{made['id']}") as answer:
        assert answer.status == 200
        assert await answer.json() == {"id": made["id"], "object": "chat.completion.deleted", "deleted": True}

    for path in (f"{PATH}/{made['id']}", f"{PATH}/{made['id']}/messages", f"/v1/generation/{made['id']}"):
        async with proxy.client.get(proxy.url + path) as answer:
            assert answer.status == 404, path
    async with proxy.client.delete(f"{proxy.url}{PATH}/{made['id']}") as answer:
        assert answer.status == 404
    async with proxy.client.get(link[1]) as answer:
        assert answer.status == 404
    assert await listed(proxy) == []
    assert await asyncio.to_thread(os.listdir, tmp_path / "data" / "images") == []


async def test_an_unfinished_completion_cannot_be_deleted(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=None)
    made = await order(proxy)
    async with proxy.client.delete(f"{proxy.url}{PATH}/{made['id']}") as answer:
        assert answer.status == 409
        assert answer.headers["x-should-retry"] == "false"
        assert (await answer.json())["error"]["code"] == "conflict"
    assert (await proxy.get(f"{PATH}/{made['id']}"))["id"] == made["id"]


async def test_stored_completions_of_other_clients_are_unknown(proxy: Proxy, session: aiohttp.ClientSession) -> None:
    made = await order(proxy, background=False)
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with session.get(proxy.url + PATH, headers=headers) as answer:
        assert (await answer.json())["data"] == []
    async with session.get(f"{proxy.url}{PATH}?after={made['id']}", headers=headers) as answer:
        assert (await answer.json())["data"] == []
    for method, path in (("POST", ""), ("DELETE", ""), ("GET", "/messages")):
        url = f"{proxy.url}{PATH}/{made['id']}{path}"
        async with session.request(method, url, json={"metadata": {}}, headers=headers) as answer:
            assert answer.status == 404, (method, path)
    assert await listed(proxy) == [made["id"]]


async def test_a_missing_image_is_reported_and_the_other_images_are_shown(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("unsafe", count=1, times=None)
    async with proxy.chat(n=3) as answer:
        assert answer.status == 200
        whole = (await answer.json())["choices"][0]
    async with proxy.chat(n=3, stream=True) as answer:
        stream = await read_stream(answer)

    assert whole["finish_reason"] == "stop"
    for content in (whole["message"]["content"], stream.content):
        lines = content.split("\n\n")
        assert [line.startswith("![") for line in lines] == [True, True, False]
        assert lines[2] == "Image 3 could not be made."
    assert stream.done
