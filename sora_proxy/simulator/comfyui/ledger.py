"""Ledger: the calls and counts that the simulated ComfyUI records."""

from collections import Counter, deque
from typing import Any

from sora_proxy.simulator.news import News

MAX_NOTES = 10_000  # of each kind


class ComfyUILedger(News):
    """Counts since startup or the last reset, and the newest notes about calls."""

    def __init__(self) -> None:
        """Start without records."""
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.notes: dict[str, deque[Any]] = {
            kind: deque(maxlen=MAX_NOTES)
            for kind in ("submits", "uploads", "views", "cancels", "interrupts", "deletes")
        }
        self.registered = 0
        self.started = 0
        self.restarts = 0
        self.max_unfinished = 0
        self.idle_seconds = 0.0
        self._idle_since: float | None = None
        self.wake()

    def arrived(self, endpoint: str) -> None:
        """Count a request before it is answered."""
        self.requests[endpoint] += 1
        self.wake()

    def answered(self, status: int) -> None:
        """Count an answer."""
        self.answers[str(status)] += 1

    def note(self, kind: str, what: Any) -> None:
        """Record a call."""
        self.notes[kind].append(what)
        self.wake()

    def job_queued(self, unfinished: int) -> None:
        """Count a job; `unfinished` is the number of unfinished jobs, including this one."""
        self.registered += 1
        self.max_unfinished = max(self.max_unfinished, unfinished)
        self.wake()

    def job_started(self, now: float) -> None:
        """Note that a job has started."""
        self.started += 1
        if self._idle_since is not None:
            self.idle_seconds += now - self._idle_since
        self._idle_since = None

    def job_ended(self, now: float) -> None:
        """Note that no job is running."""
        self._idle_since = now

    def seen(self, endpoint: str, token: str | None = None) -> int:  # noqa: ARG002
        """Return the number of requests to an endpoint."""
        return self.requests[endpoint]

    def described(self) -> dict[str, Any]:
        """Return the statistics. `idle_seconds` is the total time from the end of a job to the start of the next."""
        return {
            "requests": self.requests,
            "answers": self.answers,
            **{kind: list(notes) for kind, notes in self.notes.items()},
            "registered": self.registered,
            "started": self.started,
            "restarts": self.restarts,
            "max_unfinished": self.max_unfinished,
            "idle_seconds": round(self.idle_seconds, 3),
        }
