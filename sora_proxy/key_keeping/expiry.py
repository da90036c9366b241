"""When an upstream key's token ends, as far as it tells itself: many are JWTs with an `exp`. Read, never verified."""

import asyncio
import datetime as dt
import time

import jwt
import structlog

from sora_proxy.key_keeping.registry import KeyRegistry

log = structlog.get_logger(__name__)

DAY = 86400.0
LOOK_SECONDS = 3600.0
YEAR_10000 = 253402300800  # beyond it, no clock could show it


def expiry_of(token: str) -> float | None:
    """The end of a token in seconds since 1970, or None if it does not tell."""
    try:
        end = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return float(end) if isinstance(end, int | float) and 0 <= end < YEAR_10000 else None


class ExpiryWarnings:
    """Warns of tokens that end within a day, or have ended, once a day each."""

    def __init__(self, registry: KeyRegistry) -> None:
        self._registry = registry
        # All the mutable state: when each key was warned of last.
        self._warned: dict[str, float] = {}

    async def run(self) -> None:
        """Look every hour."""
        while True:
            self.look(time.time())
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, now: float) -> None:
        """Warn of what is due at this moment."""
        for record in self._registry.records:
            end = expiry_of(record.config.token) if record.config.enabled else None
            if end is None or end - now > DAY or now - self._warned.get(record.id, 0) < DAY:
                continue
            self._warned[record.id] = now
            key, at = record.config.name or record.id, dt.datetime.fromtimestamp(end, dt.UTC).isoformat()
            log.warning("key's token has ended" if end <= now else "key's token ends soon", key=key, end=at)
