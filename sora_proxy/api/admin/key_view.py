"""How a key looks to operators: what it is, how it stands and why. Never its token."""

import math
from dataclasses import dataclass
from typing import Any

from sora_proxy.key_keeping.expiry import expiry_of
from sora_proxy.key_keeping.registry import redacted
from sora_proxy.key_keeping.store import KeyRecord
from sora_proxy.scheduling.cooldown import Incident
from sora_proxy.scheduling.keys import Key, Moment

STATES = ("ready", "busy", "resting", "quarantined", "disabled")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands. `until` is wall-clock time; None: until something happens."""

    state: str
    why: str | None = None
    until: float | None = None
    since: float | None = None
    by: str | None = None  # the order that met it


def view(record: KeyRecord, key: Key, moment: Moment, backend: str) -> dict[str, Any]:
    """All that may be told of a key. `backend` is the name of the one that takes its orders."""
    standing = standing_of(key, moment)
    return {
        "id": record.id,
        "backend": backend,
        **redacted(record.config),
        "name": key.alias,
        "origin": record.origin,
        "created_at": record.created_at,
        "expires_at": expiry_of(record.config.token),
        "state": standing.state,
        "why": standing.why,
        "until": standing.until,
        "since": standing.since,
        "by": standing.by,
        "tasks": key.tasks,
        "limit": key.limit,
        "way_out": key.egress(moment.loop).name,
    }


def standing_of(key: Key, moment: Moment) -> Standing:
    """How it stands now."""
    if not key.config.enabled:
        return Standing("disabled")
    if key.rejected:
        return _standing("quarantined", key.rejected)
    if key.rest.until > moment.loop or key.unproven:
        return _standing("resting", key.rest.why, _wall(key.rest.until, moment))
    way_out = key.egress(moment.loop)
    if way_out.rest.until > moment.loop:
        return _standing("resting", way_out.rest.why, _wall(way_out.rest.until, moment))
    if key.ready_at() == math.inf:
        return Standing("busy", "it has as many tasks as it may have at once")
    if key.bucket.ready_at() > moment.loop:
        return Standing("busy", "it had max_rpm orders within 60 seconds", _wall(key.bucket.ready_at(), moment))
    return Standing("ready")


def _standing(state: str, incident: Incident | None, until: float | None = None) -> Standing:
    if incident is None:
        return Standing(state, until=until)
    return Standing(state, incident.reason, until, incident.at, incident.by)


def _wall(until: float, moment: Moment) -> float | None:
    return round(moment.wall + until - moment.loop, 3) if until > moment.loop else None
