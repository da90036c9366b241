"""Ledger: the requests and counts that a simulated server with OpenAI's Images API records."""

from collections import Counter, deque
from typing import Any

from sora_proxy.simulator.images.reading import Received
from sora_proxy.simulator.news import News

MAX_REQUESTS = 10_000  # the number of recorded requests; older ones are dropped


class ImagesLedger(News):
    """Counts since startup or the last reset, and the newest requests."""

    def __init__(self) -> None:
        """Start without records."""
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.requests: deque[Received] = deque(maxlen=MAX_REQUESTS)
        self.answers: Counter[str] = Counter()
        self.registered = 0
        self.images = 0
        self.max_concurrent = 0
        self.wake()

    def arrived(self, received: Received) -> None:
        """Record a request before it is answered."""
        self.requests.append(received)
        self.wake()

    def answered(self, status: int) -> None:
        """Count an answer."""
        self.answers[str(status)] += 1

    def order_registered(self, times: int = 1) -> None:
        """Count an order. `times` is greater than 1 if a gateway sends the order again after a failure."""
        self.registered += times
        self.wake()

    def seen(self, endpoint: str, token: str | None = None) -> int:
        """Count the recorded requests to an endpoint, with one key or with any."""
        return sum(each.endpoint == endpoint and token in (None, each.key) for each in self.requests)

    def described(self, *, with_requests: bool) -> dict[str, Any]:
        """Return the statistics."""
        return {
            "requests": [each.described() for each in self.requests] if with_requests else [],
            "answers": self.answers,
            "registered": self.registered,
            "images": self.images,
            "max_concurrent": self.max_concurrent,
        }
