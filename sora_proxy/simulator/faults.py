"""Faults: reads and stores the rules for injected faults, and finds the rule that applies to a call."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sora_proxy.simulator import refusals
from sora_proxy.simulator.fault_kinds import KINDS
from sora_proxy.simulator.fault_parameters import Kind

COMMON_FIELDS = ("fault", "endpoint", "token", "prompt", "times", "skip")
MAX_RULES = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """The properties of a call that are compared with rules; `prompt` is None for a call without a prompt."""

    endpoint: str
    token: str | None = None
    prompt: str | None = None


@dataclass(slots=True, kw_only=True)
class Rule:
    """One injected fault. The rule skips `skip` matching calls and then applies to `times` calls (None: no limit)."""

    id: str
    fault: str
    kind: Kind
    endpoint: str | None
    token: str | None
    prompt: str | None
    times: int | None
    skip: int
    parameters: Mapping[str, Any]
    struck: int = 0

    def matches(self, call: Call) -> bool:
        """Return whether the rule applies to this call."""
        endpoints = self.kind.endpoints if self.endpoint is None else (self.endpoint,)
        if call.endpoint not in endpoints or self.token not in (None, call.token):
            return False
        return self.prompt is None or (call.prompt is not None and self.prompt in call.prompt)

    def described(self) -> dict[str, Any]:
        """Return the rule as the control routes show it; `left` is null if the number of its uses is not limited."""
        left = None if self.times is None else self.times - self.struck
        common = {"id": self.id, "fault": self.fault, "endpoint": self.endpoint, "token": self.token}
        counts = {"prompt": self.prompt, "times": self.times, "skip": self.skip, "left": left, "struck": self.struck}
        return {**common, **counts, **self.parameters}


class FaultBook:
    """The rules in force, in the order of their arrival. The first rule that matches a call is applied."""

    def __init__(self, kinds: Mapping[str, Kind] = KINDS) -> None:
        """Start without rules; `kinds` are the faults that can be injected."""
        self._kinds = kinds
        self._rules: dict[str, Rule] = {}
        self._numbers = itertools.count(1)
        self.struck: dict[str, int] = {}

    def reset(self) -> None:
        """Drop every rule and every count."""
        self._rules.clear()
        self.struck.clear()

    def add(self, order: Any) -> Rule:
        """Put a rule in force. Raises Refusal for an invalid rule."""
        if len(self._rules) >= MAX_RULES:
            raise refusals.invalid("too_many_faults", f"At most {MAX_RULES} rules can be in force.")
        rule = parse_rule(order, f"fault_{next(self._numbers)}", self._kinds)
        self._rules[rule.id] = rule
        return rule

    def add_all(self, orders: list[Any]) -> list[Rule]:
        """Put all rules in force, or none. Raises Refusal if one is invalid."""
        for order in orders:
            parse_rule(order, "", self._kinds)
        return [self.add(order) for order in orders]

    def remove(self, rule_id: str) -> bool:
        """Drop one rule. Returns whether the rule was in force."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Drop all rules, but keep the counts."""
        self._rules.clear()

    def rules(self) -> list[Rule]:
        """List the rules in force."""
        return list(self._rules.values())

    def answer_rule(self, call: Call) -> Rule | None:
        """Find the rule that changes the answer to this call. If the rule is used, the caller must call `strike`."""
        return self._first(call, fates=False)

    def fate_rule(self, call: Call) -> Rule | None:
        """Find the rule that decides the fate of the task. If the rule is used, the caller must call `strike`."""
        return self._first(call, fates=True)

    def strike(self, rule: Rule) -> None:
        """Count one use of a rule, and drop the rule after its last use."""
        rule.struck += 1
        self.struck[rule.fault] = self.struck.get(rule.fault, 0) + 1
        if rule.times is not None and rule.struck >= rule.times:
            self._rules.pop(rule.id, None)

    def _first(self, call: Call, *, fates: bool) -> Rule | None:
        for rule in self._rules.values():
            if rule.kind.is_fate is not fates or not rule.matches(call):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            return rule
        return None


def parse_rule(order: Any, rule_id: str, kinds: Mapping[str, Kind]) -> Rule:
    """Read a request for a fault. Raises Refusal, which explains what is wrong with the request."""
    if not isinstance(order, dict):
        raise _wrong("The request for a fault must be a JSON object.")
    name = order.get("fault")
    if not isinstance(name, str) or name not in kinds:
        raise _wrong(f"Unknown fault {name!r}. The faults are: {', '.join(kinds)}.")
    kind = kinds[name]
    unknown = [key for key in order if key not in COMMON_FIELDS and key not in kind.parameters]
    if unknown:
        allowed = ", ".join((*COMMON_FIELDS, *kind.parameters))
        raise _wrong(f"Unknown field {unknown[0]!r} of {name}. Its fields are: {allowed}.")
    endpoint = _endpoint(order, kind)
    return Rule(
        id=rule_id,
        fault=name,
        kind=kind,
        endpoint=endpoint,
        token=_text(order, "token"),
        prompt=_text(order, "prompt"),
        times=_count(order, "times", least=1),
        skip=_count(order, "skip", least=0) or 0,
        parameters=_parameters(order, kind),
    )


def _endpoint(order: dict[str, Any], kind: Kind) -> str | None:
    endpoint = order.get("endpoint")
    if endpoint is not None and endpoint not in kind.allowed:
        raise _wrong(f"endpoint of {order['fault']} must be one of: {', '.join(kind.allowed)}.")
    return endpoint


def _parameters(order: dict[str, Any], kind: Kind) -> dict[str, Any]:
    values = {}
    for name, parameter in kind.parameters.items():
        values[name] = order.get(name, parameter.default)
        complaint = parameter.complaint(values[name])
        if complaint:
            raise _wrong(f"{name} of {order['fault']} {complaint}.")
    return values


def _text(order: dict[str, Any], name: str) -> str | None:
    value = order.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(f"{name} must be a string.")
    return value


def _count(order: dict[str, Any], name: str, *, least: int) -> int | None:
    value = order.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise _wrong(f"{name} must be a whole number, {least} or more.")
    return value


def _wrong(message: str) -> refusals.Refusal:
    return refusals.invalid("invalid_fault", message)
