"""After a process is killed, the next process in the same folder gives the same answers."""

import json
import signal
import urllib.request
from typing import Any

from tests.e2e.conftest import Program, StartProgram
from tests.eventually import PATIENCE
from tests.streams import blocks_of, numbers_of

SETTINGS = {"POLL_INTERVAL": "0.1", "BASE_URL": "http://images.example.com"}
ORDER = {"model": "sora-1.0", "stream": True, "messages": [{"role": "user", "content": "a red fox"}]}


def send(program: Program, path: str, body: dict[str, Any] | None = None, **headers: str) -> bytes:
    headers |= {"authorization": f"Bearer {program.key}"}
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(program.url + path, data, headers), timeout=PATIENCE) as answer:
        whole: bytes = answer.read()
        return whole


def ask(program: Program, path: str, body: dict[str, Any] | None = None) -> list[bytes]:
    """The blocks of a stream, without heartbeats."""
    return blocks_of(send(program, path, body, **{"idempotency-key": "once"}))


def test_repeated_orders_and_resumed_streams_get_the_same_answer_after_a_kill(start_program: StartProgram) -> None:
    with start_program(**SETTINGS) as program:
        told = ask(program, "/v1/chat/completions", ORDER)
        assert told[-1] == b"data: [DONE]"
        program.stop(signal.SIGKILL)
    path = f"/v1/chat/completions/{json.loads(told[0][6:])['id']}?stream=true"
    with start_program(**SETTINGS) as program:
        assert ask(program, "/v1/chat/completions", ORDER) == told
        for position, number in enumerate(numbers_of(told), 1):
            assert ask(program, f"{path}&starting_after={number}") == told[position:]


def test_after_a_kill_the_log_shows_how_many_orders_are_resumed(start_program: StartProgram) -> None:
    with start_program(SIMULATOR_SECONDS="600") as program:
        for _ in range(2):
            send(program, "/v1/chat/completions", ORDER | {"stream": False, "background": True})
        program.stop(signal.SIGKILL)
    with start_program() as program:
        assert program.stop() == 0
        (line,) = [json.loads(line) for line in program.log.splitlines() if "resuming unfinished generations" in line]
        assert line["generations"] == 2
