"""Each order goes to one of several back ends, and an accepted order never moves to another back end."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from sora_proxy.errors import ConfigurationError
from tests.conftest import ADMIN_KEY, StartProxy, app_for, upstream_keys
from tests.eventually import eventually
from tests.sora_server import Order, Sora, outcome, place

HEADER = "x-sora-proxy-backend"


def entry(name: str, server: Sora | str, **fields: Any) -> dict[str, Any]:
    url = server if isinstance(server, str) else server.url
    return {"name": name, "kind": "sora", "base_url": url, "keys": upstream_keys(), **fields}


def both(servers: tuple[Sora, Sora]) -> dict[str, Any]:
    """Two back ends with the same models."""
    return {"backends": [entry("first", servers[0]), entry("second", servers[1])]}


def orders_at(servers: tuple[Sora, Sora]) -> tuple[int, int]:
    return servers[0].registered, servers[1].registered


async def test_an_order_goes_to_the_first_back_end_that_serves_its_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async with start_proxy(**both(servers)) as proxy, proxy.chat() as answer:
        assert (answer.status, answer.headers[HEADER]) == (200, "first")
        assert (await answer.json())["backend"] == "first"
    assert orders_at(servers) == (1, 0)


async def test_each_order_goes_to_the_back_end_that_serves_its_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    backends = [
        entry("first", servers[0], models=["sora-1.0"]),
        entry("second", servers[1], models={"hare": "sora-1.0"}),
    ]
    async with start_proxy(backends=backends, default_model="hare") as proxy:
        listed = [model["id"] for model in (await proxy.get("/v1/models"))["data"]]
        assert listed[:2] == ["sora-1.0", "hare"]
        assert (await proxy.get("/v1/models/dall-e-3"))["alias_of"] == "hare"
        for model, backend in (("sora-1.0", "first"), ("hare", "second"), ("dall-e-3", "second")):
            async with proxy.chat(model=model) as answer:
                assert (answer.status, answer.headers[HEADER], (await answer.json())["model"]) == (200, backend, model)
        async with proxy.client.post(f"{proxy.url}/v1/images/generations", json={"prompt": "a red fox"}) as answer:
            assert (answer.status, answer.headers[HEADER]) == (200, "second")
    assert orders_at(servers) == (1, 3)


TITLE = "Provide a concise, 5-word-or-less title for the conversation.\n\nConversation:\nUser: a red fox"
WITHOUT_A_MODEL: list[tuple[str, dict[str, Any]]] = [
    ("chat/completions", {"messages": [{"role": "user", "content": "a red fox"}]}),
    ("chat/completions", {"messages": [{"role": "user", "content": TITLE}]}),  # a side call, answered without an image
    ("images/generations", {"prompt": "a red fox"}),
    ("responses", {"input": "a red fox"}),
]


@pytest.mark.parametrize(("default_model", "served"), [("hare", "hare"), (None, "fox")])
async def test_a_request_without_a_model_is_served_by_the_default_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], default_model: str | None, served: str
) -> None:
    backends = [entry(name, servers[0], models={name: "sora-1.0"}) for name in ("fox", "hare")]
    async with start_proxy(backends=backends, default_model=default_model) as proxy:
        for path, body in WITHOUT_A_MODEL:
            for named in ({}, {"model": None}):
                async with proxy.client.post(f"{proxy.url}/v1/{path}", json=body | named) as answer:
                    assert answer.status == 200, await answer.text()
                    assert (await answer.json())["model"] == served
        made_by = {(each["model"], each["backend"]) for each in (await proxy.get("/v1/generations"))["data"]}
    assert made_by == {(served, served)}
    assert servers[0].registered == 6


async def test_an_order_fails_over_if_the_first_server_cannot_be_reached(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], silent: int
) -> None:
    backends = [entry("first", f"http://127.0.0.1:{silent}"), entry("second", servers[1])]
    async with start_proxy(backends=backends) as proxy:
        for _ in range(3):
            async with proxy.chat() as answer:
                assert (answer.status, answer.headers[HEADER]) == (200, "second")
    assert orders_at(servers) == (0, 3)


async def test_an_order_fails_over_if_no_key_of_the_first_back_end_is_accepted(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async def refuse(_order: Order) -> web.StreamResponse:
        return web.json_response({"error": {"code": "token_invalid"}}, status=401)

    servers[0].on_order = refuse
    async with start_proxy(**both(servers)) as proxy, proxy.chat() as answer:
        assert (answer.status, answer.headers[HEADER]) == (200, "second")
    assert orders_at(servers) == (0, 1)


async def test_an_order_fails_over_at_once_if_the_first_back_end_is_full(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    backends = [entry("first", servers[0], keys=upstream_keys(max_concurrent=1)), entry("second", servers[1])]
    async with start_proxy(backends=backends) as proxy:
        await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)
        async with proxy.chat() as answer:
            assert (answer.status, answer.headers[HEADER]) == (200, "second")
    assert orders_at(servers) == (1, 1)


async def test_a_waiting_order_goes_to_the_back_end_that_has_room_first(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    for server in servers:
        server.on_order = server.take_and_run
    keys = upstream_keys(max_concurrent=1)
    backends = [entry("first", servers[0], keys=keys), entry("second", servers[1], keys=keys)]
    async with start_proxy(backends=backends) as proxy:
        await place(proxy)
        await place(proxy)
        await servers[1].until(lambda: orders_at(servers) == (1, 1))
        waiting = await place(proxy)
        servers[1].on_order = servers[1].take
        for tasks in servers[1].tasks.values():
            for task in tasks:
                task["status"] = "succeeded"
        await outcome(proxy, waiting)
        assert (await proxy.get(f"/v1/generation/{waiting}"))["backend"] == "second"
    assert orders_at(servers) == (1, 2)


async def test_an_order_with_a_refused_prompt_does_not_fail_over(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async def refuse(_order: Order) -> web.StreamResponse:
        return web.json_response({"error": {"code": "content_policy_violation"}}, status=400)

    servers[0].on_order = refuse
    async with start_proxy(**both(servers)) as proxy, proxy.chat() as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "content_policy_violation")
    assert orders_at(servers) == (0, 0)


async def test_an_accepted_order_does_not_fail_over_if_its_task_is_lost(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_proxy.orders.watcher.LOST_TASK_POLLS", 2)
    monkeypatch.setattr("sora_proxy.orders.watcher.LOST_TASK_SECONDS", 0.2)

    async def forget(order: Order) -> web.StreamResponse:
        task = servers[0].register(order, "running")
        servers[0].tasks.clear()
        return web.json_response({"id": task["id"]})

    servers[0].on_order = forget
    async with start_proxy(**both(servers)) as proxy, proxy.chat() as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (502, "upstream_lost")
    assert orders_at(servers) == (0, 0)


async def test_an_order_of_unknown_outcome_is_searched_for_only_at_its_back_end(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async def take_and_break(order: Order) -> web.StreamResponse:
        servers[0].register(order)
        return web.Response(status=502)

    servers[0].on_order = take_and_break
    async with start_proxy(**both(servers)) as proxy, proxy.chat() as answer:
        assert (answer.status, answer.headers[HEADER]) == (200, "first")
    assert orders_at(servers) == (1, 0)
    assert servers[1].looks.total() == 0


async def test_keys_with_the_same_token_can_belong_to_different_back_ends(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    operator = {"authorization": f"Bearer {ADMIN_KEY}"}
    backends = [entry("first", servers[0]), entry("second", servers[1], keys=[])]
    async with start_proxy(backends=backends) as proxy:
        url = f"{proxy.url}/admin/api/keys"
        async with proxy.client.get(url, headers=operator) as answer:
            keys = (await answer.json())["data"]
        assert [(key["backend"], key["name"], key["state"]) for key in keys] == [
            ("first", keys[0]["id"], "ready"),
            ("second", "second", "ready"),
        ]
        for backend, status in (("second", 201), ("first", 201), ("third", 400), (None, 400)):
            body = {"key": "another-token", "name": "more", "backend": backend}
            async with proxy.client.post(url, json=body, headers=operator) as answer:
                assert answer.status == status, await answer.text()
        async with proxy.client.get(f"{proxy.url}/admin/api/queue", headers=operator) as answer:
            assert [queue["backend"] for queue in (await answer.json())["backends"]] == ["first", "second"]
        assert (await proxy.get("/health/ready"))["backends"] == {"first": True, "second": True}


async def test_a_back_end_without_keys_is_called_without_a_token(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async with start_proxy(backends=[entry("first", servers[0], keys=[])]) as proxy, proxy.chat() as answer:
        assert (answer.status, answer.headers[HEADER]) == (200, "first")
    assert servers[0].orders[0]["token"] == "none"


async def test_orders_placed_with_the_older_options_continue_at_the_back_end_named_sora(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    older = {"upstream": "sora", "sora_base_url": servers[0].url, "api_keys": upstream_keys()}
    async with start_proxy(**older) as proxy:
        placed = await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)

        async def running() -> bool:
            return bool((await proxy.get("/v1/generations"))["data"][0]["status"] == "in_progress")

        await eventually(running)
    for tasks in servers[0].tasks.values():
        tasks[0]["status"] = "succeeded"
    backends = [entry("sora", servers[0], keys=[]), entry("second", servers[1])]
    async with start_proxy(backends=backends) as proxy:
        await outcome(proxy, placed)
    assert orders_at(servers) == (1, 0)


@pytest.mark.parametrize(
    ("backends", "told"),
    [
        (
            [entry("a", "http://127.0.0.1:9", kind="other")],
            "BACKENDS: a: 'kind' must be one of comfyui, openai_images, sora",
        ),
        (
            [entry("a", "http://127.0.0.1:9", options={"speed": 1})],
            "BACKENDS: a: 'speed' is not an option of this kind of back end",
        ),
        ([entry("a", "http://127.0.0.1:9", models=["fox"])], "DEFAULT_MODEL: 'sora-1.0' is not one of the models fox"),
    ],
    ids=["kind", "option", "default model"],
)
async def test_an_invalid_back_end_makes_startup_fail(tmp_path: Any, backends: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await asyncio.to_thread(app_for, tmp_path, backends=backends, default_model="sora-1.0")
    assert caught.value.faults == [told]


# --- Keys that serve only some models, each with its own server -------------------------------------------------------

FOX, HARE = {"fox": "sora-1.0"}, {"hare": "sora-image"}  # our names, and the names at the back end


def keys_of_two_servers(fox: str, hare: str, **fields: Any) -> list[dict[str, Any]]:
    """A key for each model, with the address of its server."""
    return [
        {"key": "key-of-the-fox", "models": ["sora-1.0"], "base_url": fox, **fields},
        {"key": "key-of-the-hare", "models": ["sora-image"], "base_url": hare, **fields},
    ]


def one_back_end(*urls: str, **fields: Any) -> dict[str, Any]:
    return entry("first", "http://127.0.0.1:9", models=FOX | HARE, keys=keys_of_two_servers(*urls), **fields)


@pytest.mark.parametrize("image_localization", [True, False], ids=["stored", "linked"])
async def test_each_order_goes_to_the_server_of_a_key_that_serves_its_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], image_localization: bool
) -> None:
    backends = [one_back_end(*(server.url for server in servers))]
    async with start_proxy(backends=backends, default_model="fox", image_localization=image_localization) as proxy:
        for model, server in [("fox", servers[0]), ("hare", servers[1]), ("hare", servers[1])]:
            async with proxy.chat(model=model) as answer:
                content = (await answer.json())["choices"][0]["message"]["content"]
                # The result is at a private address: the address of the key's own server.
                assert (proxy.url if image_localization else server.url) in content
    assert orders_at(servers) == (1, 2)
    assert [{order["token"] for order in server.orders} for server in servers] == [
        {"key-of-the-fox"},
        {"key-of-the-hare"},
    ]


async def test_only_orders_for_a_server_that_is_down_fail_over(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], silent: int
) -> None:
    backends = [
        one_back_end(servers[0].url, f"http://127.0.0.1:{silent}"),
        entry("second", servers[1], models=FOX | HARE),
    ]
    async with start_proxy(backends=backends, default_model="fox") as proxy:
        for model, backend in [("hare", "second"), ("fox", "first"), ("hare", "second"), ("fox", "first")]:
            async with proxy.chat(model=model) as answer:
                assert (answer.status, answer.headers[HEADER]) == (200, backend)
    assert orders_at(servers) == (2, 2)


async def test_an_order_fails_over_if_no_key_of_the_back_end_serves_its_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    only_foxes = keys_of_two_servers(servers[0].url, servers[0].url)[:1]
    backends = [
        entry("first", servers[0], models=FOX | HARE, keys=only_foxes),
        entry("second", servers[1], models=HARE),
    ]
    async with start_proxy(backends=backends, default_model="fox") as proxy:
        async with proxy.chat(model="hare") as answer:
            assert (answer.status, answer.headers[HEADER]) == (200, "second")
        assert (await proxy.get("/health/ready"))["backends"] == {"first": True, "second": True}
    assert orders_at(servers) == (0, 1)


async def test_an_order_is_refused_until_a_key_serves_its_model(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    only_foxes = keys_of_two_servers(servers[0].url, servers[0].url)[:1]
    backends = [entry("first", servers[0], models=FOX | HARE, keys=only_foxes)]
    operator = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with start_proxy(backends=backends, default_model="fox") as proxy:
        async with proxy.chat(model="hare") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_upstream_key")
        async with proxy.client.get(f"{proxy.url}/admin/api/keys", headers=operator) as answer:
            key_id = (await answer.json())["data"][0]["id"]
        url, body = f"{proxy.url}/admin/api/keys/{key_id}", {"models": ["sora-1.0", "sora-image"]}
        async with proxy.client.patch(url, json=body, headers=operator) as answer:
            assert answer.status == 200
        async with proxy.chat(model="hare") as answer:
            assert answer.status == 200
    assert orders_at(servers) == (1, 0)
