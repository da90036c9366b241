"""The admin API of a real process: acknowledged changes survive SIGKILL, and no secret gets into its logs."""

import json
import signal
from typing import Any

from tests.conftest import CLIENT_KEY
from tests.e2e.conftest import Program, StartProgram

TOKEN, SECOND = "marker-token-number-one-of-the-tests", "marker-token-number-two-of-the-tests"
PASSWORD = "marker-password"
PROMPT = "marker-prompt"


def ask(program: Program, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
    return program.ask(key or program.admin_key, method, path, body)


def test_acknowledged_changes_survive_a_kill(start_program: StartProgram) -> None:
    with start_program(UPSTREAM="simulator") as program:
        _, kept = ask(program, "POST", "/admin/api/keys", {"key": TOKEN, "enabled": False})
        _, gone = ask(program, "POST", "/admin/api/keys", {"key": "a-token-to-be-deleted", "enabled": False})
        assert ask(program, "PATCH", "/admin/api/settings", {"BASE_URL": "https://images.example.com"})[0] == 200
        assert ask(program, "DELETE", f"/admin/api/keys/{gone['id']}")[0] == 200
        assert ask(program, "PATCH", f"/admin/api/keys/{kept['id']}", {"weight": 9, "key": SECOND})[0] == 200
        program.stop(signal.SIGKILL)
    with start_program() as program:
        _, keys = ask(program, "GET", "/admin/api/keys")
        mine = [(key["id"], key["weight"], key["key"]) for key in keys["data"] if key["origin"] == "admin"]
        assert mine == [(kept["id"], 9, f"…{SECOND[-4:]}")]
        _, settings = ask(program, "GET", "/admin/api/settings")
        assert settings["settings"]["BASE_URL"] == {"value": "https://images.example.com", "source": "admin"}
        _, entries = ask(program, "GET", "/admin/api/audit")
        told = [entry["action"] for entry in entries["data"] if entry["who"] == "admin key"]
        assert told == ["key.change", "key.delete", "settings.change", "key.add", "key.add"]
        assert not any(path.stat().st_mode & 0o077 for path in (program.folder / "data").iterdir())


def test_neither_answers_nor_logs_contain_secrets(start_program: StartProgram) -> None:
    proxy = f"http://user:{PASSWORD}@127.0.0.1:9"
    with start_program(
        API_AUTH_TOKEN=CLIENT_KEY, UPSTREAM="sora", SORA_BASE_URL="http://127.0.0.1:9", LOG_FORMAT="json"
    ) as program:
        answers = [
            ask(program, "POST", "/admin/api/keys", {"key": TOKEN, "name": "first", "proxy": proxy}),
            ask(program, "POST", "/admin/api/keys", {"key": TOKEN}),
            ask(program, "POST", "/admin/api/keys", {"key": f"{TOKEN} {SECOND}"}),
            ask(program, "POST", "/admin/api/keys", {"key": SECOND, "weight": TOKEN}),
            ask(program, "POST", "/admin/api/keys", {"key": SECOND, "proxy": f"gopher://{PASSWORD}"}),
            ask(program, "POST", "/admin/api/keys/import", {"text": f"{SECOND},a,b\n{TOKEN}\n{SECOND} x"}),
            ask(program, "PATCH", "/admin/api/settings", {"PROXIES": proxy}),
            ask(program, "PATCH", "/admin/api/settings", {"PROXIES": f"ftp://{PASSWORD}@h:1"}),
            ask(program, "POST", "/admin/api/login", {"key": program.admin_key}),
            ask(program, "POST", "/admin/api/login", {"key": TOKEN}),
            ask(program, "GET", "/admin/api/keys"),
        ]
        key_id = answers[0][1]["id"]
        order = {"model": "sora-1.0", "background": True, "messages": [{"role": "user", "content": PROMPT}]}
        answers += [
            ask(program, "POST", "/v1/chat/completions", order, CLIENT_KEY),
            ask(program, "POST", f"/admin/api/keys/{key_id}/test"),
            ask(program, "GET", "/admin/api/generations"),
            ask(program, "GET", "/admin/api/queue"),
            ask(program, "PATCH", f"/admin/api/keys/{key_id}", {"key": SECOND}),
            ask(program, "POST", "/admin/api/keys/batch", {"ids": [key_id], "action": "test"}),
            ask(program, "GET", "/admin/api/settings"),
            ask(program, "GET", "/admin/api/audit"),
        ]
        # These answers repeat the client's own words, so only the logs are checked.
        ask(program, "POST", "/admin/api/keys", {TOKEN: 1})
        ask(program, "GET", f"/admin/api/keys/{TOKEN}?key={SECOND}")
        ask(program, "POST", "/admin/api/keys/batch", {"ids": [TOKEN], "action": "test"})
        assert program.stop() == 0
        begun = next(body for _, body in answers if "token" in body)
        session = begun.pop("token")
        told = json.dumps(answers)
        for secret in (TOKEN, SECOND, PASSWORD, PROMPT, session, program.admin_key):
            assert secret not in program.log, secret
            assert secret not in told, secret
        assert {status for status, _ in answers} <= {200, 201, 400, 401, 409}
