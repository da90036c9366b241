"""Options of back ends and headers of keys: which values are valid, which are shown, and what a change affects."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Proxy, StartProxy, upstream_keys
from tests.integration.test_backends_at_run_time import entry, made_by, states
from tests.sora_server import Sora, in_front_of, serve_sora

BACKENDS, KEYS = "/admin/api/backends", "/admin/api/keys"
FIRST = f"{BACKENDS}/first"


@pytest.fixture
async def server() -> AsyncIterator[Sora]:
    async with serve_sora() as server:
        yield server


async def options_of(proxy: Proxy) -> dict[str, Any]:
    return dict((await proxy.ask("GET", FIRST))[1]["options"])


async def sent_headers(proxy: Proxy, server: Sora, *names: str) -> list[str | None]:
    """Place an order; returns the values of these headers that the back end's server receives with the order."""
    assert await made_by(proxy)
    return [server.headers.get(name) for name in names]


async def change_database(folder: Path, statement: str, *values: str) -> None:
    """Change the database of a server that is not running."""

    def change() -> None:
        database = sqlite3.connect(folder / "data" / "sora_proxy.db")
        with database:
            database.execute(statement, values)
        database.close()

    await asyncio.to_thread(change)


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        (["X-Secret: a-secret"], "options.extra_headers"),
        ("a-secret", "options.extra_headers"),
        (5, "options.extra_headers"),
        ({"x": 5}, "options.extra_headers.x"),
        ({"x": "a-secret\r\nInjected: 1"}, "options.extra_headers"),
        ({"x": "a-secret-中"}, "options.extra_headers"),
        ({"x": " a-secret"}, "options.extra_headers"),
        ({"x": "…"}, "options.extra_headers"),
        ({"a\r\nb": "a-secret"}, "options.extra_headers"),
        ({"é": "a-secret"}, "options.extra_headers"),
        ({"": "a-secret"}, "options.extra_headers"),
        ({"Authorization": "Bearer a-secret"}, "options.extra_headers"),
    ],
    ids=str,
)
async def test_headers_that_cannot_be_sent_are_refused(
    start_proxy: StartProxy, server: Sora, headers: Any, param: str
) -> None:
    async with start_proxy(backends=[entry("first", server)]) as proxy:
        options = {"extra_headers": headers}
        (key,) = (await proxy.ask("GET", KEYS))[1]["data"]
        for method, path, body, place in (
            ("POST", BACKENDS, entry("second", server, options=options), param),
            ("PATCH", FIRST, {"options": options}, param),
            ("PATCH", f"{KEYS}/{key['id']}", {"headers": headers}, param.replace("options.extra_headers", "headers")),
        ):
            status, answer = await proxy.ask(method, path, body)
            assert (status, answer["error"]["param"]) == (400, place), answer
            assert "a-secret" not in str(answer)
        assert await states(proxy) == {"first": "ready"}
        assert await options_of(proxy) == {"max_images_per_day": None, "extra_headers": {}}


async def test_a_change_affects_only_the_given_options_and_null_removes_an_option(
    start_proxy: StartProxy, server: Sora
) -> None:
    options = {"extra_headers": {"X-Gate": "let-me-in", "X-Other": "1"}}
    async with start_proxy(backends=[entry("first", server, options=options)]) as proxy:
        assert (await proxy.ask("PATCH", FIRST, {"options": {"max_images_per_day": 100}}))[0] == 200
        assert await sent_headers(proxy, server, "x-gate", "x-other") == ["let-me-in", "1"]
        shown = await options_of(proxy)
        assert shown == {"max_images_per_day": 100, "extra_headers": {"X-Gate": "…", "X-Other": "…"}}
        assert (await proxy.ask("PATCH", FIRST, {"options": shown}))[
            0
        ] == 200  # sending the shown values changes nothing
        assert await sent_headers(proxy, server, "x-gate", "x-other") == ["let-me-in", "1"]
        changed = {"extra_headers": {"X-Gate": "…", "X-New": "2"}}
        assert (await proxy.ask("PATCH", FIRST, {"options": changed}))[0] == 200
        assert await sent_headers(proxy, server, "x-gate", "x-other", "x-new") == ["let-me-in", None, "2"]
        await proxy.ask("PATCH", FIRST, {"options": {"max_images_per_day": None}})
        assert (await options_of(proxy))["max_images_per_day"] is None
    async with start_proxy(backends=[entry("first", server, options=options)]) as proxy:
        assert await sent_headers(proxy, server, "x-gate", "x-new") == ["let-me-in", "2"]
        await proxy.ask("PATCH", FIRST, {"options": {"extra_headers": None}})
        assert await sent_headers(proxy, server, "x-gate", "x-new") == [None, None]


async def test_a_change_with_a_masked_header_keeps_the_stored_value_of_the_header(
    start_proxy: StartProxy, server: Sora
) -> None:
    keys = upstream_keys(headers={"X-Gate": "let-me-in", "X-Other": "1"})
    async with start_proxy(**in_front_of(server, api_keys=keys)) as proxy:
        (key,) = (await proxy.ask("GET", KEYS))[1]["data"]
        assert key["headers"] == {"X-Gate": "…", "X-Other": "…"}
        changed = {"headers": {"X-Gate": "…", "X-New": "2"}}
        assert (await proxy.ask("PATCH", f"{KEYS}/{key['id']}", changed))[0] == 200
        assert await sent_headers(proxy, server, "x-gate", "x-other", "x-new") == ["let-me-in", None, "2"]


@pytest.mark.parametrize("models", [[], {}, "fox", ["a", "a"], [""], {"fox": 5}], ids=str)
async def test_the_error_about_an_invalid_list_of_models_contains_no_python_terms(
    start_proxy: StartProxy, server: Sora, models: Any
) -> None:
    async with start_proxy(backends=[entry("first", server)]) as proxy:
        for method, path, body in (
            ("POST", BACKENDS, entry("second", server, models=models)),
            ("PATCH", FIRST, {"models": models}),
        ):
            status, answer = await proxy.ask(method, path, body)
            assert (status, answer["error"]["param"]) == (400, "models")
            assert "tuple" not in answer["error"]["message"]
            assert "dict" not in answer["error"]["message"]


async def test_errors_about_wrong_types_use_the_terms_of_json(start_proxy: StartProxy, server: Sora) -> None:
    async with start_proxy(backends=[entry("first", server)]) as proxy:
        for fields, param, words in (
            ({"options": []}, "options", "must be a JSON object"),
            ({"keys": [1]}, "keys[0]", "must be a JSON object"),
            ({"keys": [{"key": "t", "models": "x"}]}, "keys[0].models", "must be a JSON list"),
        ):
            _, answer = await proxy.ask("POST", BACKENDS, entry("second", server) | fields)
            assert answer["error"]["param"] == param
            assert answer["error"]["message"] == f"Invalid value for '{param}': {words}."


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE backends SET config = json_set(config, '$.options.extra_headers', json('[1]'))",
        "UPDATE backends SET config = json_set(config, '$.later', 1)",
        "UPDATE backends SET config = 'not json'",
        "UPDATE backends SET origin = 'elsewhere'",
    ],
)
async def test_an_unreadable_stored_back_end_is_skipped_at_startup(
    start_proxy: StartProxy, server: Sora, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first = {"backends": [entry("first", server)]}
    async with start_proxy(**first) as proxy:
        assert (await proxy.ask("POST", BACKENDS, entry("second", server)))[0] == 201
    await change_database(tmp_path, damage)
    async with start_proxy(**first) as proxy:
        assert await states(proxy) == {"first": "ready"}
        assert await made_by(proxy) == "first"
    assert caplog.text.count("stored record unreadable") == 2
    await change_database(tmp_path, "DELETE FROM backends WHERE name = 'first'")
    async with start_proxy() as proxy:  # the simulator does not replace a stored back end
        assert await states(proxy) == {}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE keys SET config = json_set(config, '$.headers', json('[1]'))",
        "UPDATE keys SET config = json_set(config, '$.later', 1)",
        "UPDATE keys SET config = 'not json'",
        "UPDATE keys SET origin = 'elsewhere'",
        "UPDATE keys SET memory = '5'",
    ],
)
async def test_an_unreadable_stored_key_is_skipped_at_startup(
    start_proxy: StartProxy, server: Sora, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    settings = in_front_of(server)
    async with start_proxy(**settings) as proxy:
        assert (await proxy.ask("POST", KEYS, {"key": "a-secret-token"}))[0] == 201
    await change_database(tmp_path, damage)
    async with start_proxy(**settings) as proxy:
        assert [key["state"] for key in (await proxy.ask("GET", KEYS))[1]["data"]] == ["ready"]
        assert await made_by(proxy) == "sora"
    assert caplog.text.count("stored record unreadable") == 2
    assert "a-secret-token" not in caplog.text


async def test_headers_stored_as_options_by_earlier_versions_are_used(
    start_proxy: StartProxy, server: Sora, tmp_path: Path
) -> None:
    async with start_proxy(backends=[entry("other", server, enabled=False)]) as proxy:
        await proxy.ask("POST", BACKENDS, entry("first", server))
    old = '{"max_images_per_day": null, "extra_headers": {"X_Gate": "let-me-in"}}'
    await change_database(tmp_path, "UPDATE backends SET config = json_set(config, '$.options', json(?))", old)
    async with start_proxy() as proxy:
        assert await sent_headers(proxy, server, "x_gate") == ["let-me-in"]


async def test_changes_by_an_operator_survive_unreadable_stored_capabilities(
    start_proxy: StartProxy, server: Sora, tmp_path: Path
) -> None:
    backends = [entry("first", server)]
    async with start_proxy(backends=backends) as proxy:
        await proxy.ask("PATCH", f"{BACKENDS}/first", {"enabled": False, "options": {"max_images_per_day": 1}})
    await change_database(tmp_path, "UPDATE backends SET capabilities = '{\"models\": 5}'")
    async with start_proxy(backends=backends) as proxy:
        (first,) = (await proxy.ask("GET", BACKENDS))[1]["data"]
        assert (first["enabled"], first["options"]["max_images_per_day"]) == (False, 1)
