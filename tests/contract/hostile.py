"""A hostile server with Sora's web protocol. It acts as several back ends, each with a different attack."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.scripted import Request, Serve, Server, answer
from tests.sora_server import GIF

# Text that must not reach anybody unchanged: markdown, HTML, terminal commands, and marks that reverse text.
MARK = "HOSTILE](http://evil.example) <script>alert(1)</script>\x1b[2J\r\n# \u202eHOSTILE"

Task = dict[str, Any]
Pieces = Callable[[], Iterable[bytes]]
# Makes the rows of a list from a task and the number of the list, counted from 0.
Rows = Callable[[Task, int], list[Any]]


def honest_rows(task: Task, _number: int) -> list[Any]:
    return [task]


@dataclass(frozen=True, slots=True)
class Attack:
    """The attack of a back end. Its first answers consist of `pieces`, after which the connection is closed. All later
    answers are valid HTTP, and their contents are `submitted` (for an order), `rows` (for a list) and `image`."""

    pieces: Pieces | None = None
    kinds: tuple[str, ...] = ("submit", "list", "media")  # the kinds of the replaced answers
    times: int = 2  # the number of replaced answers of each kind
    submitted: dict[str, Any] | None = None
    rows: Rows = honest_rows
    image: bytes = GIF


class Hostile:
    """The server, with the attack of each back end by name. A back end without an attack is honest."""

    def __init__(self, serve: Serve, attacks: Mapping[str, Attack]) -> None:
        self._attacks = attacks
        self._server = serve(self._talk)
        self._lock = threading.Lock()
        # All the mutable state, guarded by the lock: tasks by back end, and the number of answers by back end and kind.
        self.tasks: dict[str, list[Task]] = {}
        self._answers: Counter[tuple[str, str]] = Counter()

    @property
    def requests(self) -> list[Request]:
        return self._server.requests

    def url_of(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.port}/{name}"

    def _talk(self, server: Server, sock: socket.socket) -> None:
        while request := server.read(sock):
            _, name, kind, *_ = request.path.split("/")
            if kind == "backend":
                kind = "submit" if request.body else "list"
            number = self._seen(request, name, kind)
            attack = self._attacks.get(name, Attack())
            if attack.pieces and kind in attack.kinds and 0 <= number < attack.times:
                for piece in attack.pieces():
                    sock.sendall(piece)
                return
            if kind == "media":
                answer(sock, attack.image)
            else:
                answer(sock, json.dumps(self._body(attack, name, kind, number)).encode())

    def _seen(self, request: Request, name: str, kind: str) -> int:
        """Count a request, and register its order if it is one. Returns the number of earlier requests of this kind, or
        -1 if nothing was ordered yet."""
        with self._lock:
            tasks = self.tasks.setdefault(name, [])
            if kind == "submit":
                tasks.insert(0, self._task(name, json.loads(request.body), len(tasks) + 1))
            if not tasks:
                return -1
            self._answers[name, kind] += 1
            return self._answers[name, kind] - 1

    def _task(self, name: str, order: dict[str, Any], number: int) -> Task:
        result = {"id": "result_1", "url": f"{self.url_of(name)}/media/{number}.gif"}
        about = {"prompt": order["prompt"], "n_variants": order["n_variants"]}
        return {"id": f"task_{number}", "status": "succeeded", "generations": [result], **about}

    def _body(self, attack: Attack, name: str, kind: str, number: int) -> dict[str, Any]:
        with self._lock:
            tasks = list(self.tasks[name])
        if kind == "submit":
            return attack.submitted or {"id": tasks[0]["id"]}
        rows = [row for task in tasks for row in attack.rows(task, number)]
        return {"task_responses": rows, "has_more": False}
