"""Warns of upstream keys that expire. Many tokens are JWTs with an `exp` claim; their signatures are not verified."""

import asyncio
import datetime as dt
import time

import jwt
import structlog

from sora_proxy.key_keeping.registry import KeyRegistry

log = structlog.get_logger(__name__)

DAY_SECONDS = 86400.0
CHECK_INTERVAL_SECONDS = 3600.0
YEAR_10000 = 253402300800  # `datetime` can't represent this time and later ones


def expiry_of(token: str) -> float | None:
    """The time at which a token expires, in seconds since 1970; None if the token does not contain it."""
    try:
        end = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return float(end) if isinstance(end, int | float) and 0 <= end < YEAR_10000 else None


class ExpiryWarnings:
    """Logs a warning, at most once a day for each key, if its token expires within a day or has expired."""

    def __init__(self, registry: KeyRegistry) -> None:
        self._registry = registry
        # All the mutable state: the time of the last warning about each key.
        self._warned: dict[str, float] = {}

    async def run(self) -> None:
        """Check every hour."""
        while True:
            self.warn(time.time())
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    def warn(self, now: float) -> None:
        """Log the warnings that are due now."""
        for record in self._registry.records:
            end = expiry_of(record.config.token) if record.config.enabled else None
            if end is None or end - now > DAY_SECONDS or now - self._warned.get(record.id, 0) < DAY_SECONDS:
                continue
            self._warned[record.id] = now
            key, at = record.config.name or record.id, dt.datetime.fromtimestamp(end, dt.UTC).isoformat()
            if end <= now:
                log.warning("upstream key expired", key=key, expires_at=at)
            else:
                log.warning("upstream key expires soon", key=key, expires_at=at)
