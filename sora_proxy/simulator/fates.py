"""Fates: turns the rule for an injected fault into the fate of a task."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sora_proxy.simulator.faults import Rule
from sora_proxy.simulator.lifecycle import ORDINARY, Failure, Fate

# This text resembles the message about an invalid key. A client that searches messages for words, instead of reading
# the fields of the answer, would blame the key.
MISLEADING_REASON = (
    "Refused by moderation: invalid token sequence, request unauthorized, rate limit of unsafe words expired."
)


def _vanish(given: Mapping[str, Any]) -> Fate:
    seconds = math.inf if given["seconds"] is None else given["seconds"]
    return Fate(hidden_after=given["after"], hidden_seconds=seconds, hidden_alone_too=given["alone_too"])


def _moderation(given: Mapping[str, Any]) -> Fate:
    failure = Failure("failed", MISLEADING_REASON, given["code"], needs_review=given["needs_user_review"])
    return Fate(failure=failure)


_FATES: Mapping[str, Callable[[Mapping[str, Any]], Fate]] = {
    "never_finish": lambda _: replace(ORDINARY, finishes=False),
    "vanish": _vanish,
    "moderation": _moderation,
    "fail": lambda given: Fate(failure=Failure(given["status"], given["reason"])),
    "no_urls": lambda _: replace(ORDINARY, has_urls=False),
    "unknown_status": lambda given: Fate(running_word=given["status"], finishes=not given["for_ever"]),
    "null_progress": lambda _: replace(ORDINARY, shows_progress=False),
    "unsafe": lambda given: Fate(unsafe_variants=given["count"]),
}


def fate_of(rule: Rule | None) -> Fate:
    """Return the fate that a rule demands, or the ordinary fate if there is no rule."""
    return ORDINARY if rule is None else _FATES[rule.fault](rule.parameters)
