"""What operators see of a key: its configuration, its state and the reason for the state. Tokens are never shown."""

import math
from dataclasses import dataclass
from typing import Any

from sora_proxy.key_keeping.expiry import expiry_of
from sora_proxy.key_keeping.registry import redacted
from sora_proxy.key_keeping.store import KeyRecord
from sora_proxy.scheduling.cooldown import Incident
from sora_proxy.scheduling.key_health import Moment
from sora_proxy.scheduling.keys import Key

STATES = ("ready", "busy", "resting", "quarantined", "disabled")


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The state of a key. `until` is the wall-clock time at which the state ends; None if that is not known."""

    state: str
    why: str | None = None
    until: float | None = None
    since: float | None = None
    by: str | None = None  # the id of the generation that caused the state


def unused_view(record: KeyRecord) -> dict[str, Any]:
    """The fields of a key whose back end is not in use."""
    state = {"state": "disabled", "why": "The back end of this key is not in use."}
    return _configuration(record, record.backend or None) | state


def view(record: KeyRecord, key: Key, moment: Moment, backend: str) -> dict[str, Any]:
    """The fields of a key that is in use. `backend` is the name of the key's back end."""
    status = status_of(key, moment)
    return _configuration(record, backend) | {
        "state": status.state,
        "why": status.why,
        "until": status.until,
        "since": status.since,
        "by": status.by,
        "tasks": key.tasks,
        "limit": key.limit,
        "resting_models": {
            family: _wall_time(cooldown.until, moment) for family, cooldown in key.family_cooldowns(moment.loop).items()
        },
        "way_out": key.egress(moment.loop).name,
    }


def _configuration(record: KeyRecord, backend: str | None) -> dict[str, Any]:
    return {
        "id": record.id,
        "backend": backend,
        **redacted(record.config),
        "name": record.config.name or record.id,
        "origin": record.origin,
        "created_at": record.created_at,
        "expires_at": expiry_of(record.config.token),
    }


def status_of(key: Key, moment: Moment) -> KeyStatus:
    """The current state of a key."""
    if not key.config.enabled:
        return KeyStatus("disabled")
    if key.rejected:
        return _status("quarantined", key.rejected)
    if key.cooldown.until > moment.loop or key.unproven:
        return _status("resting", key.cooldown.why, _wall_time(key.cooldown.until, moment))
    for circuit in key.route(moment.loop):
        if (until := circuit.ready_at(key)) > moment.loop:
            return _status("resting", circuit.cooldown.why, _wall_time(until, moment))
    if key.ready_at() == math.inf:
        return KeyStatus("busy", "The key has reached its task limit.")
    if key.rate_ready_at() > moment.loop:
        return KeyStatus("busy", "The key has reached its max_rpm.", _wall_time(key.rate_ready_at(), moment))
    return KeyStatus("ready")


def _status(state: str, incident: Incident | None, until: float | None = None) -> KeyStatus:
    if incident is None:
        return KeyStatus(state, until=until)
    return KeyStatus(state, incident.reason, until, incident.at, incident.by)


def _wall_time(until: float, moment: Moment) -> float | None:
    return round(moment.wall + until - moment.loop, 3) if until > moment.loop else None
