"""Ledger: the record of calls and answers, which tests read and wait for."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator.lifecycle import Task
from sora_proxy.simulator.news import News

MAX_REGISTRATIONS = 100_000
MAX_UPLOADS = 10_000
MAX_TOKENS = 10_000
NO_TOKEN = ""
OTHER_TOKENS = "(others)"


@dataclass(slots=True)
class Lists:
    """The list calls of one token; times and intervals are in seconds."""

    calls: int = 0
    latest: float | None = None
    min_spacing: float | None = None

    def note(self, now: float) -> None:
        """Count one call."""
        self.calls += 1
        if self.latest is not None:
            spacing = now - self.latest
            self.min_spacing = spacing if self.min_spacing is None else min(spacing, self.min_spacing)
        self.latest = now

    def described(self) -> dict[str, Any]:
        """Return the counts as the stats show them."""
        spacing = None if self.min_spacing is None else round(self.min_spacing, 4)
        return {"calls": self.calls, "min_spacing": spacing}


class Ledger(News):
    """Counts since startup or the last reset. Only the newest tasks and uploads are recorded with their details."""

    def __init__(self) -> None:
        """Start without records."""
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.refusals: Counter[str] = Counter()
        self.lists: defaultdict[str, Lists] = defaultdict(Lists)
        self.registered = 0
        self.tasks: deque[tuple[Task, float]] = deque(maxlen=MAX_REGISTRATIONS)
        self.uploads: deque[dict[str, Any]] = deque(maxlen=MAX_UPLOADS)
        self._tokens: set[str] = set()
        self.wake()

    def arrived(self, endpoint: str, token: str | None, now: float) -> None:
        """Count a request before it is answered."""
        name = self._name(token)
        self.requests[endpoint][name] += 1
        if endpoint == "list":
            self.lists[name].note(now)
        self.wake()

    def answered(self, endpoint: str, status: int) -> None:
        """Count an answer."""
        self.answers[endpoint][str(status)] += 1

    def refused(self, code: str) -> None:
        """Count an error answer under its code."""
        self.refusals[code] += 1

    def task_registered(self, task: Task) -> None:
        """Note a new task."""
        self.registered += 1
        self.tasks.append((task, task.created_at))
        self.wake()

    def uploaded(self, upload_id: str, token: str, size: int) -> None:
        """Note an upload of `size` bytes."""
        self.uploads.append({"id": upload_id, "token": token, "bytes": size})

    def seen(self, endpoint: str, token: str | None = None) -> int:
        """Return the number of requests to an endpoint, with one token or with any."""
        counts = self.requests[endpoint]
        return counts.total() if token is None else counts[token]

    def _name(self, token: str | None) -> str:
        # Clients choose their tokens, so the number of recorded tokens is bounded.
        if token is None:
            return NO_TOKEN
        if token not in self._tokens:
            if len(self._tokens) >= MAX_TOKENS:
                return OTHER_TOKENS
            self._tokens.add(token)
        return token
