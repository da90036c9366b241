"""Upstream keys in the admin API: changes take effect at once, including for running orders, and survive a restart."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from sora_proxy.settings.access import fingerprint
from tests.conftest import ADMIN_KEY, HOUR, UPSTREAM_TOKEN, Proxy, Simulator, StartProxy, StartSimulator, in_front_of
from tests.eventually import eventually
from tests.streams import read_stream

TOKEN = "another-upstream-token-of-the-tests"
KEYS = "/admin/api/keys"


@dataclass
class Admin:
    """The admin API of a running server."""

    proxy: Proxy
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with self.session.request(method, self.proxy.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        status, body = await self.ask("GET", path)
        assert status == 200, body
        return body

    async def add(self, **fields: Any) -> dict[str, Any]:
        status, key = await self.ask("POST", KEYS, {"key": TOKEN} | fields)
        assert status == 201, key
        return dict(key)

    async def change(self, key_id: str, **fields: Any) -> dict[str, Any]:
        status, key = await self.ask("PATCH", f"{KEYS}/{key_id}", fields)
        assert status == 200, key
        return dict(key)

    async def key(self, token: str = UPSTREAM_TOKEN) -> dict[str, Any]:
        return dict(await self.get(f"{KEYS}/{fingerprint(token)}"))

    async def until(self, state: str, token: str = UPSTREAM_TOKEN) -> dict[str, Any]:
        """Wait until the key is in this state; returns the key."""

        async def look() -> dict[str, Any] | None:
            _, key = await self.ask("GET", f"{KEYS}/{fingerprint(token)}")
            return dict(key) if key.get("state") == state else None

        return await eventually(look)


StartAdmin = Callable[..., AbstractAsyncContextManager[Admin]]


@pytest.fixture
def start_admin(start_proxy: StartProxy, session: aiohttp.ClientSession) -> StartAdmin:
    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Admin]:
        async with start_proxy(**settings) as proxy:
            yield Admin(proxy, session)

    return start


@pytest.fixture
async def admin(proxy: Proxy, session: aiohttp.ClientSession) -> Admin:
    return Admin(proxy, session)


async def orders_of(simulator: Simulator, token: str) -> int:
    """The number of orders that were sent with a token."""
    return int((await simulator.stats())["requests"]["submit"].get(token, 0))


# --- One key ----------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_without_its_token(admin: Admin, simulator: Simulator) -> None:
    bound = {"models": ["sora-1.0"], "region": "cn-beijing"}
    made = await admin.add(name="second", weight=2, max_rpm=30, max_concurrent=3, notes="mine", proxy="direct", **bound)
    assert made == {
        "id": fingerprint(TOKEN),
        "backend": "sora",
        "key": "…ests",
        "name": "second",
        "weight": 2.0,
        "max_rpm": 30,
        "max_concurrent": 3,
        "base_url": None,
        "headers": {},
        "models": ["sora-1.0"],
        "region": "cn-beijing",
        "proxy": "direct",
        "enabled": True,
        "notes": "mine",
        "origin": "admin",
        "created_at": made["created_at"],
        "expires_at": None,
        "state": "ready",
        "why": None,
        "until": None,
        "since": None,
        "by": None,
        "tasks": 0,
        "limit": 3,
        "resting_models": {},
        "way_out": "direct",
    }
    assert await admin.key(TOKEN) == made
    assert abs(made["created_at"] - time.time()) < 60
    assert TOKEN not in str(await admin.get(KEYS))
    del simulator


async def test_an_added_key_serves_orders_as_soon_as_it_is_enabled(
    start_admin: StartAdmin, simulator: Simulator
) -> None:
    async with start_admin(upstream="sora", sora_base_url=simulator.url) as admin:
        async with admin.proxy.chat() as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_upstream_key")
        await admin.add(enabled=False)
        async with admin.proxy.chat() as answer:
            assert answer.status == 503
        await admin.change(fingerprint(TOKEN), enabled=True)
        async with admin.proxy.chat() as answer:
            assert answer.status == 200
    assert await orders_of(simulator, TOKEN) == 1


async def test_waiting_orders_are_sent_as_soon_as_the_limit_of_their_key_is_raised(
    start_admin: StartAdmin, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_admin(**in_front_of(simulator, max_concurrent=1)) as admin,
        admin.proxy.chat("first", stream=True) as first,
        admin.proxy.chat("second", stream=True) as second,
    ):
        await simulator.wait_for(registered=1)
        assert (await admin.until("busy"))["tasks"] == 1
        await admin.change(fingerprint(UPSTREAM_TOKEN), max_concurrent=2)
        await simulator.wait_for(registered=2)  # the first order is still running
        await simulator.let_pass()
        assert (await read_stream(first)).done
        assert (await read_stream(second)).done


async def test_a_disabled_key_finishes_its_tasks_and_gets_no_more_orders(
    start_admin: StartAdmin, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_admin(**in_front_of(simulator)) as admin,
        admin.proxy.chat(stream=True) as running,
    ):
        await simulator.wait_for(registered=1)
        assert (await admin.change(fingerprint(UPSTREAM_TOKEN), enabled=False))["state"] == "disabled"
        async with admin.proxy.chat() as refused:
            assert refused.status == 503
        await simulator.let_pass()
        assert (await read_stream(running)).done


async def test_a_changed_token_takes_effect_at_once_and_keeps_the_key_id(
    start_admin: StartAdmin, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    await simulator.order_fault("unauthorized", token=UPSTREAM_TOKEN, times=None)
    async with start_admin(**settings) as admin:
        async with admin.proxy.chat(background=True) as answer:
            assert answer.status == 200
        dead = await admin.until("quarantined")
        assert dead["why"]
        assert dead["by"].startswith("chatcmpl-")
        alive = await admin.change(dead["id"], key=f"Bearer {TOKEN}")
        assert (alive["id"], alive["state"]) == (dead["id"], "ready")
        async with admin.proxy.chat() as answer:
            assert answer.status == 200
    async with start_admin(**settings) as admin:
        assert (await admin.key())["state"] == "ready"
        async with admin.proxy.chat() as answer:
            assert answer.status == 200
    assert await orders_of(simulator, TOKEN) == 2


async def test_changes_by_operators_survive_a_restart_with_the_same_configuration(
    start_admin: StartAdmin, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    async with start_admin(**settings) as admin:
        bound = {"models": ["fox"], "region": "eu"}
        await admin.change(fingerprint(UPSTREAM_TOKEN), weight=7, notes="mine", enabled=False, **bound)
        await admin.add(name="second", proxy="socks5://user:pass%2Fword@127.0.0.1:9,direct")
    async with start_admin(**settings) as admin:
        first, second = (await admin.get(KEYS))["data"]
        assert (first["weight"], first["notes"], first["state"]) == (7, "mine", "disabled")
        assert (first["models"], first["region"]) == (["fox"], "eu")
        assert (second["name"], second["proxy"]) == ("second", "socks5h://127.0.0.1:9, direct")
        assert "word" not in str(second)


async def test_a_key_can_be_deleted_only_while_it_has_no_tasks(
    start_admin: StartAdmin, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_admin(upstream="sora", sora_base_url=simulator.url) as admin,
    ):
        key_id = (await admin.add())["id"]
        async with admin.proxy.chat(stream=True) as running:
            await simulator.wait_for(registered=1)
            status, body = await admin.ask("DELETE", f"{KEYS}/{key_id}")
            assert (status, body["error"]["code"]) == (409, "key_in_use")
            await simulator.let_pass()
            assert (await read_stream(running)).done
        assert await admin.ask("DELETE", f"{KEYS}/{key_id}") == (200, {"id": key_id, "deleted": True})
        assert (await admin.ask("GET", f"{KEYS}/{key_id}"))[0] == 404
        async with admin.proxy.chat() as refused:
            assert refused.status == 503


async def test_a_key_of_the_configuration_cannot_be_deleted(admin: Admin) -> None:
    status, body = await admin.ask("DELETE", f"{KEYS}/{fingerprint(UPSTREAM_TOKEN)}")
    assert (status, body["error"]["code"]) == (409, "key_has_source")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "key"),
        ({"key": ""}, "key"),
        ({"key": "two words"}, "key"),
        ({"key": "…ests"}, "key"),
        ({"key": TOKEN, "weight": 0}, "weight"),
        ({"key": TOKEN, "max_rpm": 10**30}, "max_rpm"),
        ({"key": TOKEN, "max_concurrent": 0}, "max_concurrent"),
        ({"key": TOKEN, "name": "<img src=x>"}, "name"),
        ({"key": TOKEN, "notes": "line\nbreak"}, "notes"),
        ({"key": TOKEN, "proxy": "ftp://secret:marker@h:1"}, "proxy"),
        ({"key": TOKEN, "models": "fox"}, "models"),
        ({"key": TOKEN, "models": ["fox", ""]}, "models[1]"),
        ({"key": TOKEN, "models": ["x" * 201]}, "models[0]"),
        ({"key": TOKEN, "region": "cn beijing"}, "region"),
        ({"key": TOKEN, "region": "x" * 41}, "region"),
        ({"key": TOKEN, "wait": 1}, "wait"),
        ({"key": TOKEN, "wait": None}, "wait"),
    ],
    ids=str,
)
async def test_an_invalid_key_is_refused_with_the_name_of_the_field(
    admin: Admin, body: dict[str, Any], param: str
) -> None:
    status, told = await admin.ask("POST", KEYS, body)
    assert (status, told["error"]["param"]) == (400, param)
    assert (told["error"]["code"] == "unknown_parameter") == (param == "wait")
    assert TOKEN not in str(told)
    assert "marker" not in str(told)
    if "key" in body and param != "key":
        changes = {name: value for name, value in body.items() if name != "key"}
        status, told = await admin.ask("PATCH", f"{KEYS}/{fingerprint(UPSTREAM_TOKEN)}", changes)
        assert (status, told["error"]["param"]) == (400, param)
    assert len((await admin.get(KEYS))["data"]) == 1


async def test_two_keys_never_have_the_same_token(admin: Admin) -> None:
    key_id = (await admin.add())["id"]
    for method, path in (("POST", KEYS), ("PATCH", f"{KEYS}/{fingerprint(UPSTREAM_TOKEN)}")):
        status, body = await admin.ask(method, path, {"key": f"Bearer {TOKEN}"})
        assert (status, body["error"]["code"], body["error"]["param"]) == (409, "key_exists", "key")
    await admin.change(key_id, key="a-third-token-of-the-tests")
    assert (await admin.ask("POST", KEYS, {"key": TOKEN}))[0] == 409  # the key's id is still derived from this token


async def test_null_resets_a_field_to_its_default(admin: Admin) -> None:
    fields = {"weight": 5, "name": "five", "max_concurrent": 5, "proxy": "direct", "notes": "x"}
    fields |= {"models": ["fox"], "region": "eu"}
    key_id = (await admin.add(**fields))["id"]
    key = await admin.change(key_id, **dict.fromkeys(fields))
    told = {field: key[field] for field in (*fields, "limit")}
    defaults = {"weight": 1, "name": key_id, "models": []}
    assert told == dict.fromkeys((*fields, "limit")) | defaults


# --- Health -----------------------------------------------------------------------------------------------------------


async def test_a_cooldown_survives_a_restart_and_an_operator_can_end_it(
    start_admin: StartAdmin, simulator: Simulator
) -> None:
    settings = in_front_of(simulator)
    await simulator.order_fault("rate_limited", retry_after=600, times=1)
    begun = time.time()
    async with start_admin(**settings) as admin, admin.proxy.chat(background=True):
        resting = await admin.until("resting")
        assert begun + 600 <= resting["until"] <= time.time() + 600
        assert resting["why"]
        assert resting["by"].startswith("chatcmpl-")
    async with start_admin(**settings) as admin:
        again = await admin.key()
        assert (again["state"], again["why"], again["by"]) == ("resting", resting["why"], resting["by"])
        assert abs(again["until"] - resting["until"]) < 2
        status, revived = await admin.ask("POST", f"{KEYS}/{again['id']}/revive")
        assert (status, revived["state"]) in ((200, "ready"), (200, "busy"))
        await simulator.wait_for(registered=1)


async def test_testing_a_key_shows_its_health_and_revives_a_working_key(admin: Admin, simulator: Simulator) -> None:
    test = f"{KEYS}/{fingerprint(UPSTREAM_TOKEN)}/test"
    await simulator.order_fault("unauthorized", times=1)
    status, told = await admin.ask("POST", test)
    assert (status, told["works"], told["code"]) == (200, False, "upstream_auth")
    dead = await admin.key()
    assert (dead["state"], dead["why"]) == ("quarantined", told["reason"])
    assert await admin.ask("POST", test) == (200, {"id": dead["id"], "works": True})
    assert (await admin.key())["state"] == "ready"
    assert (await simulator.stats())["registered"] == 0


async def test_the_expiry_time_in_a_token_is_shown(admin: Admin) -> None:
    end = int(time.time()) + 3600
    token = jwt.encode({"exp": end}, "a secret that nobody here knows, of 32 bytes", "HS256")
    assert (await admin.add(key=token))["expires_at"] == end


# --- Many keys --------------------------------------------------------------------------------------------------------


async def test_a_batch_reports_the_outcome_for_each_key(admin: Admin, simulator: Simulator) -> None:
    mine, configured = (await admin.add())["id"], fingerprint(UPSTREAM_TOKEN)
    ids = [mine, configured, "unknown"]
    status, told = await admin.ask("POST", f"{KEYS}/batch", {"ids": ids, "action": "disable"})
    assert [(each["id"], each["done"]) for each in told["results"]] == [
        (mine, True),
        (configured, True),
        (ids[2], False),
    ]
    assert told["results"][2]["error"]["code"] == "not_found"
    assert {key["state"] for key in (await admin.get(KEYS))["data"]} == {"disabled"}
    await admin.ask("POST", f"{KEYS}/batch", {"ids": ids, "action": "enable"})
    await simulator.order_fault("unauthorized", token=TOKEN, times=None)
    _, told = await admin.ask("POST", f"{KEYS}/batch", {"ids": ids[:2], "action": "test"})
    assert [each["works"] for each in told["results"]] == [False, True]
    _, told = await admin.ask("POST", f"{KEYS}/batch", {"ids": [mine], "action": "revive"})
    assert (await admin.key(TOKEN))["state"] == "ready"
    _, told = await admin.ask("POST", f"{KEYS}/batch", {"ids": ids[:2], "action": "delete"})
    assert [each["done"] for each in told["results"]] == [True, False]
    assert (status, len((await admin.get(KEYS))["data"])) == (200, 1)


async def test_an_import_and_its_dry_run_report_the_result_of_each_line(admin: Admin) -> None:
    text = f"""
# name, weight, rpm, tasks, proxy
Bearer {TOKEN},second,2.5,30,4,socks5://user:marker@127.0.0.1:9,direct
a-third-token-of-the-tests

{TOKEN}
{UPSTREAM_TOKEN},again
two words
a-fourth-token-of-the-tests,<b>,1
"""
    results = [
        (3, "added", "second"),
        (4, "added", None),
        (6, "exists", None),
        (7, "exists", "again"),
        (8, "invalid", None),
        (9, "invalid", None),
    ]
    for dry_run, keys in ((True, 1), (False, 3)):
        status, told = await admin.ask("POST", f"{KEYS}/import", {"text": text, "dry_run": dry_run})
        assert (status, told["dry_run"]) == (200, dry_run)
        assert [(line["line"], line["result"], line["name"]) for line in told["lines"]] == results
        assert all(line["reason"] for line in told["lines"] if line["result"] != "added")
        assert not any(secret in str(told) for secret in (TOKEN, UPSTREAM_TOKEN, "a-third-token", "marker"))
        assert len((await admin.get(KEYS))["data"]) == keys
    second = await admin.key(TOKEN)
    assert (second["weight"], second["max_rpm"], second["max_concurrent"]) == (2.5, 30, 4)
    assert second["proxy"] == "socks5h://127.0.0.1:9, direct"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("batch", {"ids": [], "action": "test"}, "ids"),
        ("batch", {"ids": ["x"] * 1001, "action": "test"}, "ids"),
        ("batch", {"ids": ["x"], "action": "explode"}, "action"),
        ("import", {"text": " \n# nothing\n"}, "text"),
        ("import", {"text": "x\n" * 5001}, "text"),
        ("import", {"text": "x", "dry_run": "yes"}, "dry_run"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_an_invalid_bulk_request_is_refused_with_the_name_of_the_field(
    admin: Admin, path: str, body: dict[str, Any], param: str
) -> None:
    status, told = await admin.ask("POST", f"{KEYS}/{path}", body)
    assert (status, told["error"]["param"]) == (400, param)


async def test_a_thousand_keys_can_be_imported_listed_in_pages_and_filtered(admin: Admin) -> None:
    text = "\n".join(f"token-{n:04}-of-the-tests" for n in range(1000))
    status, _ = await admin.ask("POST", f"{KEYS}/import", {"text": text})
    assert status == 200
    await admin.change(fingerprint("token-0999-of-the-tests"), enabled=False)
    seen, after = [], ""
    while True:
        page = await admin.get(f"{KEYS}?limit=100{after}")
        seen += [key["id"] for key in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={seen[-1]}"
    assert seen == [fingerprint(UPSTREAM_TOKEN), *(fingerprint(f"token-{n:04}-of-the-tests") for n in range(1000))]
    (off,) = (await admin.get(f"{KEYS}?state=disabled"))["data"]
    assert off["id"] == seen[-1]


# --- The key file -----------------------------------------------------------------------------------------------------


async def test_edits_of_the_key_file_take_effect_but_a_broken_file_changes_nothing(
    start_admin: StartAdmin,
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def the_broken_file_was_read() -> bool:
        return "key file unusable" in caplog.text

    monkeypatch.setattr("sora_proxy.key_keeping.source.FILE_CHECK_SECONDS", 0.05)
    file = tmp_path / "keys.json"
    await asyncio.to_thread(file.write_text, f'[{{"key": "{TOKEN}"}}]')
    settings = {"upstream": "sora", "sora_base_url": simulator.url, "keys_storage_file": file}
    async with start_admin(**settings) as admin:
        await admin.change(fingerprint(TOKEN), notes="mine")
        await asyncio.to_thread(file.write_text, f'[{{"key": "{TOKEN}", "weight": 3}}, {{"key": "{UPSTREAM_TOKEN}"}}]')
        await admin.until("ready")
        first = await admin.key(TOKEN)
        assert (first["weight"], first["notes"], first["origin"]) == (3, "mine", "file")
        await asyncio.to_thread(file.write_text, f'[{{"key": "{UPSTREAM_TOKEN}"}}]')
        gone = await admin.until("disabled", TOKEN)
        assert gone["origin"] == "removed"
        await asyncio.to_thread(file.write_text, "[{")
        await eventually(the_broken_file_was_read)
        assert (await admin.key())["state"] == "ready"
        assert (await admin.key(TOKEN))["state"] == "disabled"
        assert await asyncio.to_thread(file.read_text) == "[{"


async def test_a_key_removed_from_the_configuration_is_disabled_until_it_is_configured_again(
    start_admin: StartAdmin, simulator: Simulator
) -> None:
    configured = in_front_of(simulator)
    async with start_admin(**configured) as admin:
        assert (await admin.key())["origin"] == "environment"
    async with start_admin(**configured | {"api_keys": []}) as admin:
        gone = await admin.key()
        assert (gone["state"], gone["origin"]) == ("disabled", "removed")
        async with admin.proxy.chat() as refused:
            assert refused.status == 503
    async with start_admin(**configured) as admin, admin.proxy.chat() as answer:
        assert answer.status == 200


# --- Usage, queue and audit log ---------------------------------------------------------------------------------------


async def test_operators_see_the_usage_the_queue_and_the_unfinished_generations(
    start_admin: StartAdmin, start_simulator: StartSimulator
) -> None:
    async with (
        start_simulator(seconds=HOUR) as simulator,
        start_admin(**in_front_of(simulator, max_concurrent=1)) as admin,
        admin.proxy.chat("a secret fox", n=2, stream=True) as first,
        admin.proxy.chat("a secret wolf", stream=True) as second,
    ):
        await simulator.wait_for(registered=1)
        await admin.until("busy")
        queue = await admin.get("/admin/api/queue")
        assert [(each["name"], each["orders"]) for each in queue["waiting"]] == [("client", 1)]
        assert queue["expected_wait"] >= 1
        running, waiting = (await admin.get("/admin/api/generations"))["data"]
        assert (running["id"], waiting["id"]) == (first.headers["x-generation-id"], second.headers["x-generation-id"])
        assert (running["key"], waiting["key"]) == (fingerprint(UPSTREAM_TOKEN), None)
        assert (running["backend"], waiting["backend"]) == ("sora", None)
        assert (running["backend_model"], waiting["backend_model"]) == ("sora-1.0", None)
        assert "backend_id" in running
        assert (waiting["backend_id"], waiting["ignored_parameters"]) == (None, [])
        assert waiting["status"] == "queued"
        assert "secret" not in str([running, waiting])
        assert (await admin.get("/admin/api/generations?limit=1"))["has_more"] is True
        (last,) = (await admin.get(f"/admin/api/generations?after={running['id']}"))["data"]
        assert last["id"] == waiting["id"]
        await admin.ask("PATCH", "/admin/api/settings", {"VERBOSE_LOGGING": True})
        assert next(each["prompt"] for each in (await admin.get("/admin/api/generations"))["data"]) == "a secret fox"
        await simulator.let_pass()
        assert (await read_stream(first)).done
        await simulator.let_pass(registered=2)
        assert (await read_stream(second)).done
        await admin.until("ready")
        images = {"images_today": 3, "max_images_per_day": None}
        empty = {"backend": "sora", "waiting": [], "expected_wait": 0} | images
        assert await admin.get("/admin/api/queue") == empty | {"backends": [empty], "in_all": images}
        (today,) = (await admin.get(f"/admin/api/usage?key={fingerprint(UPSTREAM_TOKEN)}"))["data"]
        counted = {name: value for name, value in today.items() if isinstance(value, int)}
        assert counted == {"sent": 2, "accepted": 2, "refused": 0, "completed": 2, "failed": 0, "pictures": 3}
        assert (await admin.ask("GET", "/admin/api/usage?key=unknown"))[0] == 404


async def test_every_change_of_a_key_is_audited_without_secrets(admin: Admin) -> None:
    key_id = (await admin.add(name="second"))["id"]
    changes = {"weight": 2, "proxy": "http://user:marker@127.0.0.1:9", "models": ["fox", "hare"], "region": "eu"}
    await admin.change(key_id, key="a-third-token-of-the-tests", **changes)
    await admin.ask("POST", f"{KEYS}/{key_id}/revive")
    await admin.ask("DELETE", f"{KEYS}/{key_id}")
    entries = [entry for entry in (await admin.get("/admin/api/audit"))["data"] if entry["target"] == key_id]
    assert [entry["action"] for entry in entries] == ["key.delete", "key.revive", "key.change", "key.add"]
    assert entries[2]["changes"] == {
        "weight": [1.0, 2.0],
        "key": [fingerprint(TOKEN), fingerprint("a-third-token-of-the-tests")],
        "proxy": [None, "http://127.0.0.1:9"],
        "models": [[], ["fox", "hare"]],
        "region": [None, "eu"],
    }
    assert not any(secret in str(entries) for secret in (TOKEN, "a-third-token", "marker"))
