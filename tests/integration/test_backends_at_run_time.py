"""Operators add, change, drain and delete back ends while the server is running; the changes survive a restart."""

from typing import Any

import pytest
from aiohttp import web

from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.eventually import eventually
from tests.sora_server import Order, Sora, outcome, place

BACKENDS = "/admin/api/backends"
HEADER = "x-sora-proxy-backend"


def entry(name: str, server: Sora, **fields: Any) -> dict[str, Any]:
    return {"name": name, "kind": "sora", "base_url": server.url, "keys": upstream_keys(), **fields}


async def states(proxy: Proxy) -> dict[str, str]:
    return {each["name"]: each["state"] for each in (await proxy.ask("GET", BACKENDS))[1]["data"]}


async def made_by(proxy: Proxy, **fields: Any) -> str | None:
    """Place an order; returns the name of the back end that makes it, or None if the order is refused."""
    async with proxy.chat(**fields) as answer:
        return answer.headers[HEADER] if answer.status == 200 else None


async def test_an_added_back_end_serves_its_models_at_once_and_after_a_restart(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    first = {"backends": [entry("first", servers[0], models=["sora-1.0"])]}
    async with start_proxy(**first) as proxy:
        assert await made_by(proxy, model="hare") is None
        status, added = await proxy.ask("POST", BACKENDS, entry("second", servers[1], models={"hare": "sora-1.0"}))
        assert status == 201, added
        assert (added["state"], added["origin"], added["served_models"]) == ("ready", "admin", ["hare"])
        assert added["keys"] == 1
        assert await made_by(proxy, model="hare") == "second"
        assert (await proxy.ask("POST", BACKENDS, entry("second", servers[1])))[1]["error"]["code"] == "backend_exists"
    async with start_proxy(**first) as proxy:
        assert await states(proxy) == {"first": "ready", "second": "ready"}
        assert await made_by(proxy, model="hare") == "second"
        audit = (await proxy.ask("GET", "/admin/api/audit"))[1]["data"]
        assert [each["action"] for each in audit if each["target"] == "second"] == ["backend.add"]
    assert (servers[0].registered, servers[1].registered) == (0, 2)


async def test_stored_back_ends_are_not_replaced_by_the_simulator(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async with start_proxy(backends=[entry("first", servers[0])]) as proxy:
        assert (await proxy.ask("POST", BACKENDS, entry("second", servers[1])))[0] == 201
    async with start_proxy() as proxy:
        assert await states(proxy) == {"second": "ready", "first": "disabled"}
        assert await made_by(proxy) == "second"


async def test_a_drained_back_end_finishes_its_orders_and_gets_no_new_orders(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    async with start_proxy(backends=[entry("first", servers[0]), entry("second", servers[1])]) as proxy:
        placed = await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)

        async def follows() -> bool:
            return bool((await proxy.ask("GET", f"{BACKENDS}/first"))[1]["unfinished"] == 1)

        await eventually(follows)
        assert (await proxy.ask("PATCH", f"{BACKENDS}/first", {"enabled": False}))[1]["state"] == "draining"
        assert await made_by(proxy) == "second"
        assert (await proxy.ask("DELETE", f"{BACKENDS}/first"))[1]["error"]["code"] == "backend_has_source"
        assert (await proxy.get("/health/ready"))["backends"] == {"second": True}
        for tasks in servers[0].tasks.values():
            tasks[0]["status"] = "succeeded"
        await outcome(proxy, placed)
        assert (await states(proxy))["first"] == "disabled"
        assert (await proxy.ask("PATCH", f"{BACKENDS}/first", {"enabled": None}))[1]["state"] == "ready"
        servers[0].on_order = servers[0].take
        assert await made_by(proxy) == "first"


async def test_a_waiting_order_moves_to_a_newly_added_back_end(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    one_at_once = entry("first", servers[0], keys=upstream_keys(max_concurrent=1))
    async with start_proxy(backends=[one_at_once]) as proxy:
        await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)
        waiting = await place(proxy)
        assert (await proxy.ask("POST", BACKENDS, entry("second", servers[1])))[0] == 201
        await outcome(proxy, waiting)
        assert (await proxy.get(f"/v1/generation/{waiting}"))["backend"] == "second"
        waiting = await place(proxy)
        await outcome(proxy, waiting)
        for name in ("second", "first"):
            assert (await proxy.ask("PATCH", f"{BACKENDS}/{name}", {"enabled": False}))[0] == 200
        async with proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_upstream_key")


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"models": {"fox": "sora-1.0"}}], ids=["drained", "other models"]
)
async def test_queued_orders_wait_for_their_back_end_but_only_for_a_limited_time(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], change: dict[str, Any]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    entries = [entry("first", servers[0], keys=upstream_keys(max_concurrent=1))]
    async with start_proxy(backends=entries, max_queue_wait=3600) as proxy:
        await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)
        waiting = await place(proxy)
        back = dict.fromkeys(change)
        for fields in (change, back, change):
            assert (await proxy.ask("PATCH", f"{BACKENDS}/first", fields))[0] == 200
        servers[0].on_order = servers[0].take
        for tasks in servers[0].tasks.values():
            tasks[0]["status"] = "succeeded"
        assert (await proxy.get(f"/v1/generation/{waiting}"))["choices"][0]["finish_reason"] == "processing"
        await proxy.ask("PATCH", f"{BACKENDS}/first", back)
        await outcome(proxy, waiting)
        servers[0].on_order = servers[0].take_and_run
        await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 3)
        waiting = await place(proxy)
    async with start_proxy(backends=[entries[0] | change], max_queue_wait=0.5) as proxy:
        assert "No back end serves this model" in str(await proxy.ended(waiting))


async def test_a_back_end_without_a_configured_key_works_before_and_after_a_restart(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    keyless = entry("first", servers[0], keys=[])
    for _ in range(2):
        async with start_proxy(backends=[keyless]) as proxy:
            assert await made_by(proxy) == "first"
            (key,) = (await proxy.ask("GET", "/admin/api/keys"))[1]["data"]
            assert (await proxy.ask("PATCH", f"/admin/api/keys/{key['id']}", {"max_rpm": 30}))[1]["max_rpm"] == 30


async def test_keys_keep_their_state_when_the_older_options_are_replaced_by_backends_or_vice_versa(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async def refuse(_order: Order) -> web.StreamResponse:
        return web.json_response({"error": {"code": "token_invalid"}}, status=401)

    servers[0].on_order = refuse
    keys = upstream_keys("bad", "good")
    older = {"upstream": "sora", "sora_base_url": servers[0].url, "api_keys": keys}
    newer = {"backends": [entry("sora", servers[0], keys=[key | {"name": key["key"]} for key in keys])]}
    async with start_proxy(**older) as proxy:
        assert await made_by(proxy) is None
        before = (await proxy.ask("GET", "/admin/api/keys"))[1]["data"]
        assert [key["state"] for key in before] == ["quarantined", "quarantined"]
    for settings in (newer, older, newer):
        async with start_proxy(**settings) as proxy:
            found = (await proxy.ask("GET", "/admin/api/keys"))[1]["data"]
            assert [(key["id"], key["state"], key["backend"]) for key in found] == [
                (key["id"], "quarantined", "sora") for key in before
            ]


async def test_an_unreachable_back_end_is_shown_as_unreachable(
    start_proxy: StartProxy, servers: tuple[Sora, Sora], silent: int
) -> None:
    dead = entry("first", servers[0]) | {"base_url": f"http://127.0.0.1:{silent}"}
    async with start_proxy(backends=[dead, entry("second", servers[1])]) as proxy:
        assert await made_by(proxy) == "second"
        assert await states(proxy) == {"first": "unreachable", "second": "ready"}
        assert "reached" in (await proxy.ask("GET", f"{BACKENDS}/first"))[1]["why"]
        ready = await proxy.get("/health/ready")
        assert (ready["status"], ready["backends"]) == ("ok", {"first": False, "second": True})


async def test_orders_continue_at_the_new_address_of_their_back_end(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    allowed = [servers[0].url.removeprefix("http://")]
    async with start_proxy(backends=[entry("first", servers[0])], result_allow=allowed) as proxy:
        placed = await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)
        for token, tasks in servers[0].tasks.items():
            servers[1].tasks[token] = [task | {"status": "succeeded"} for task in tasks]
        assert (await proxy.ask("PATCH", f"{BACKENDS}/first", {"base_url": servers[1].url}))[0] == 200
        await outcome(proxy, placed)
        assert await made_by(proxy) == "first"
    assert (len(servers[0].orders), len(servers[1].orders)) == (1, 1)


async def test_a_back_end_is_deleted_with_its_keys_once_its_orders_have_ended(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[1].on_order = servers[1].take_and_run
    second = entry("second", servers[1], models={"hare": "sora-1.0"})
    async with start_proxy(backends=[entry("first", servers[0])]) as proxy:
        await proxy.ask("POST", BACKENDS, second)
        async with proxy.chat(model="hare", background=True) as answer:
            placed = answer.headers["x-generation-id"]
        await servers[1].until(lambda: servers[1].registered == 1)
        assert (await proxy.ask("DELETE", f"{BACKENDS}/second"))[1]["error"]["code"] == "backend_in_use"
        for tasks in servers[1].tasks.values():
            tasks[0]["status"] = "succeeded"
        await outcome(proxy, placed)

        async def deleted() -> bool:
            return (await proxy.ask("DELETE", f"{BACKENDS}/second"))[0] == 200

        await eventually(deleted)
        assert await states(proxy) == {"first": "ready"}
        assert {key["backend"] for key in (await proxy.ask("GET", "/admin/api/keys"))[1]["data"]} == {"first"}
        assert await made_by(proxy, model="hare") is None
        assert (await proxy.ask("POST", BACKENDS, second))[0] == 201
    async with start_proxy(backends=[entry("first", servers[0])]) as proxy:
        assert await states(proxy) == {"first": "ready", "second": "ready"}


async def test_a_restart_applies_only_what_has_changed_in_the_configuration(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    both = [entry("first", servers[0]), entry("second", servers[1])]
    async with start_proxy(backends=both) as proxy:
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"enabled": False, "models": ["sora-1.0"]})
    async with start_proxy(backends=both) as proxy:  # an unchanged configuration does not undo the change
        assert await states(proxy) == {"first": "disabled", "second": "ready"}
    async with start_proxy(backends=[both[1]]) as proxy:  # a removed back end is disabled, not deleted
        first = (await proxy.ask("GET", f"{BACKENDS}/first"))[1]
        assert (first["state"], first["origin"]) == ("disabled", "removed")
    edited = entry("first", servers[1])
    async with start_proxy(backends=[edited, both[1]]) as proxy:  # only the edit takes effect
        first = (await proxy.ask("GET", f"{BACKENDS}/first"))[1]
        assert (first["base_url"], first["served_models"], first["origin"]) == (
            servers[1].url,
            ["sora-1.0"],
            "environment",
        )


async def test_a_back_end_removed_from_the_configuration_finishes_its_orders(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    servers[0].on_order = servers[0].take_and_run
    both = [entry("first", servers[0]), entry("second", servers[1])]
    async with start_proxy(backends=both) as proxy:
        placed = await place(proxy)
        await servers[0].until(lambda: servers[0].registered == 1)

        async def runs() -> bool:
            return bool((await proxy.get("/v1/generations"))["data"][0]["backend_id"])

        await eventually(runs)
    async with start_proxy(backends=[both[1]]) as proxy:
        assert (await states(proxy))["first"] == "draining"
        for tasks in servers[0].tasks.values():
            tasks[0]["status"] = "succeeded"
        await outcome(proxy, placed)
    assert servers[0].registered == 1


async def test_an_invalid_change_of_a_back_end_is_refused(start_proxy: StartProxy, servers: tuple[Sora, Sora]) -> None:
    async with start_proxy(backends=[entry("first", servers[0])]) as proxy:
        for method, path, body, code, words in (
            ("POST", BACKENDS, entry("second", servers[1], kind="other"), "invalid_value", "'kind' must be one of"),
            (
                "POST",
                BACKENDS,
                entry("second", servers[1], options={"speed": 1}),
                "invalid_value",
                "'speed' is not an option",
            ),
            ("POST", BACKENDS, entry("Second!", servers[1]), "invalid_value", "name"),
            ("POST", BACKENDS, {"name": "second"}, "missing_required_parameter", "kind"),
            ("POST", BACKENDS, entry("second", servers[1], more=1), "unknown_parameter", "more"),
            ("PATCH", f"{BACKENDS}/first", {"kind": "sora"}, "unknown_parameter", "base_url, models, options"),
            ("PATCH", f"{BACKENDS}/first", {"base_url": "nowhere"}, "invalid_value", "base_url"),
            ("PATCH", f"{BACKENDS}/first", {"base_url": None}, "missing_required_parameter", "base_url"),
            ("PATCH", f"{BACKENDS}/other", {"enabled": False}, "not_found", "does not exist"),
            ("DELETE", f"{BACKENDS}/other", None, "not_found", "does not exist"),
        ):
            status, answer = await proxy.ask(method, path, body)
            assert (status >= 400, answer["error"]["code"]) == (True, code), answer
            assert words in answer["error"]["message"]
        assert await states(proxy) == {"first": "ready"}


async def test_header_values_of_back_ends_are_not_shown(start_proxy: StartProxy, servers: tuple[Sora, Sora]) -> None:
    secret = "a-secret-of-a-header"
    options = {"extra_headers": {"x-account": secret}}
    async with start_proxy(backends=[entry("first", servers[0], options=options)]) as proxy:
        first = (await proxy.ask("GET", f"{BACKENDS}/first"))[1]
        assert first["options"]["extra_headers"] == {"x-account": "…"}
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"options": {"extra_headers": {"x-account": f"{secret}-2"}}})
        audit = await proxy.ask("GET", "/admin/api/audit")
        assert "backend.change" in str(audit)
        assert secret not in str(audit)
        assert await made_by(proxy) == "first"


async def test_no_back_end_can_be_added_while_the_simulator_is_used_by_default(
    start_proxy: StartProxy, servers: tuple[Sora, Sora]
) -> None:
    async with start_proxy() as proxy:
        status, answer = await proxy.ask("POST", BACKENDS, entry("first", servers[0]))
        assert (status, answer["error"]["code"]) == (409, "simulator_in_use")
        assert await states(proxy) == {"simulator": "ready"}


async def test_a_daily_cap_can_be_changed_at_run_time(start_proxy: StartProxy, servers: tuple[Sora, Sora]) -> None:
    async with start_proxy(backends=[entry("first", servers[0]), entry("second", servers[1])]) as proxy:
        assert await made_by(proxy) == "first"
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"options": {"max_images_per_day": 1}})
        assert await made_by(proxy) == "second"
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"options": {"max_images_per_day": 2}})
        assert await made_by(proxy) == "first"
        assert await made_by(proxy) == "second"
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"options": None})
        assert await made_by(proxy) == "first"
