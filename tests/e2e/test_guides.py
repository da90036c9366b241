"""The instructions in docs/operations.md for backups and for the rotation of keys, followed step by step."""

import asyncio
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Program, clean_environment, running_program, running_simulator
from tests.eventually import eventually
from tests.markdown_pages import DOCS, code_blocks

(BACKUP,) = [text for language, text in code_blocks(DOCS / "operations.md") if text.startswith("umask")]
OLD, NEW = "sk-the-old-client-key", "sk-the-new-client-key"


def send(program: Program, method: str, path: str, body: dict[str, Any] | None = None, key: str = "") -> dict[str, Any]:
    status, answer = program.ask(key or program.key, method, path, body)
    assert status == 200, answer
    received: dict[str, Any] = answer
    return received


def order(program: Program, key: str = "") -> str:
    """Place an order in the background, and return its id."""
    body = {"messages": [{"role": "user", "content": "a red fox"}], "background": True}
    return str(send(program, "POST", "/v1/chat/completions", body, key)["id"])


def state(program: Program, generation_id: str, key: str = "") -> str:
    listed = send(program, "GET", "/v1/generations?limit=100", key=key)["data"]
    return next((str(each["status"]) for each in listed if each["id"] == generation_id), "unknown")


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true. It is checked on a thread, because it calls a server."""

    async def look() -> bool:
        return await asyncio.to_thread(condition)

    asyncio.run(eventually(look))


def refused(program: Program, path: str, key: str) -> bool:
    """Whether the server does not accept this key."""
    return program.ask(key, "GET", path)[0] == 401


@pytest.fixture
def simulator() -> Iterator[str]:
    """A back end whose tasks take 0.3 seconds."""
    with running_simulator("--seconds", "0.3", "--queue-seconds", "0") as url:
        yield url


def in_front_of(simulator: str, **key: Any) -> dict[str, str]:
    keys = json.dumps([{"key": "token", **key}])
    return {"SORA_BASE_URL": simulator, "API_KEYS": keys, "IMAGE_LOCALIZATION": "True", "POLL_INTERVAL": "0.1"}


def registered(simulator: str) -> int:
    with urllib.request.urlopen(f"{simulator}/stats") as answer:
        return int(json.load(answer)["registered"])


def back_up(folder: Path) -> Path:
    """Run the commands of the guide in the folder of a server, and return the folder of the copy."""
    (folder / ".venv/bin").mkdir(parents=True, exist_ok=True)
    python = folder / ".venv/bin/python"
    if not python.exists():
        python.symlink_to(sys.executable)
    subprocess.run(["sh", "-euc", BACKUP], cwd=folder, env=clean_environment(), check=True)
    return max(folder.parent.glob("sora_proxy-backup-*"))


def restore(backup: Path, folder: Path) -> None:
    shutil.move(folder / "data", folder / "data.old")
    shutil.copytree(backup, folder / "data")


def test_a_backup_of_a_running_server_can_be_restored(tmp_path: Path, simulator: str) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    settings = in_front_of(simulator)
    with running_program(folder, **settings) as program:
        finished = order(program)
        until(lambda: state(program, finished) == "completed")
        key, backup = program.key, back_up(folder)
        assert backup.stat().st_mode & 0o077 == 0
        later = order(program)
        until(lambda: state(program, later) == "completed")
        assert program.stop() == 0
    restore(backup, folder)
    with running_program(folder, **settings) as program:
        assert program.key == key
        assert (state(program, finished), state(program, later)) == ("completed", "unknown")
        (image,) = send(program, "GET", "/v1/generations")["data"][0]["pictures"]
        with urllib.request.urlopen(image) as answer:
            assert answer.read(4) == b"\x89PNG"
    assert registered(simulator) == 2


def test_an_order_that_was_waiting_during_a_backup_is_sent_again_after_its_restore(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with running_simulator("--seconds", "2", "--queue-seconds", "0") as simulator:
        settings = in_front_of(simulator, max_concurrent=1)
        with running_program(folder, **settings) as program:
            first, second = order(program), order(program)
            until(lambda: state(program, first) == "in_progress")
            assert state(program, second) == "queued"
            backup = back_up(folder)
            until(lambda: state(program, second) == "completed")
            assert program.stop() == 0
        assert registered(simulator) == 2
        restore(backup, folder)
        with running_program(folder, **settings) as program:
            until(lambda: state(program, first) == state(program, second) == "completed")
        assert registered(simulator) == 3  # the order that the back end already had was not sent again


def test_an_upstream_key_gets_a_new_token_and_keeps_its_id(tmp_path: Path, simulator: str) -> None:
    with running_program(tmp_path, **in_front_of(simulator), ADMIN_KEY="sk-admin-key-of-the-test") as program:
        admin = "sk-admin-key-of-the-test"
        (before,) = send(program, "GET", "/admin/api/keys", key=admin)["data"]
        after = send(program, "PATCH", f"/admin/api/keys/{before['id']}", {"key": "another-token-1234"}, key=admin)
        assert (after["id"], after["key"]) == (before["id"], "…1234")


def test_a_token_in_the_key_file_is_replaced_without_a_restart(tmp_path: Path, simulator: str) -> None:
    file = tmp_path / "api_keys.json"
    file.write_text('[{"key": "token-old", "name": "account"}]')
    settings = {"SORA_BASE_URL": simulator, "ADMIN_KEY": "sk-admin-key-of-the-test"}
    with running_program(tmp_path, **settings) as program:
        file.write_text('[{"key": "token-new", "name": "account"}]')

        def states() -> list[str]:
            keys = send(program, "GET", "/admin/api/keys", key="sk-admin-key-of-the-test")["data"]
            return [key["state"] for key in keys]

        until(lambda: states() == ["disabled", "ready"])


def test_a_client_key_is_rotated_without_losing_its_orders(tmp_path: Path, simulator: str) -> None:
    settings = in_front_of(simulator)
    with running_program(tmp_path, **settings, API_AUTH_TOKEN=OLD) as program:
        made = order(program, OLD)
        assert program.stop() == 0
    both = {"API_AUTH_TOKEN": NEW, "CLIENT_KEYS": json.dumps([{"key": OLD, "name": "old"}])}
    with running_program(tmp_path, **settings, **both) as program:
        until(lambda: state(program, made, OLD) == "completed")
        assert state(program, made, NEW) == "unknown"
        order(program, NEW)
        assert program.stop() == 0
    with running_program(tmp_path, **settings, API_AUTH_TOKEN=NEW) as program:
        assert refused(program, "/v1/generations", OLD)


def test_a_deleted_admin_key_file_is_replaced_at_the_next_startup(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with running_program(tmp_path) as program:
            keys.append((tmp_path / "data/admin_key").read_text().strip())
            assert send(program, "GET", "/admin/api/keys", key=keys[-1])["data"]
            assert [refused(program, "/admin/api/keys", key) for key in keys] == [True, False][-len(keys) :]
            assert program.stop() == 0
        (tmp_path / "data/admin_key").unlink()
    assert len(set(keys)) == 2
