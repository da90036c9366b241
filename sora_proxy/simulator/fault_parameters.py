"""Fault parameters: the types that describe a kind of fault and its parameters, and the checks of their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NUMBER_TYPES = (int, float)

Complaint = str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault: its default, and a function that returns what is wrong with a value, or None."""

    default: Any
    complaint: Callable[[Any], Complaint]


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault: its default endpoints, the other possible endpoints (`also`), and its parameters.

    A fate changes the course of a task; every other fault changes the answer to a call.
    """

    endpoints: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    is_fate: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """All endpoints to which the fault may be applied."""
        return self.endpoints + self.also


def flag(*, default: bool) -> Parameter:
    """Make a parameter that is true or false."""
    return Parameter(default, lambda value: None if isinstance(value, bool) else "must be true or false")


def number(default: float | None, low: float, high: float) -> Parameter:
    """Make a parameter that is a number from `low` to `high`. If the default is None, the value may also be null."""

    def complaint(value: Any) -> Complaint:
        if value is None and default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, NUMBER_TYPES) or not low <= value <= high:
            return f"must be a number from {low:g} to {high:g}"
        return None

    return Parameter(default, complaint)


def integer(default: int | None, low: int, high: int) -> Parameter:
    """Make a parameter that is an integer from `low` to `high`. If the default is None, the value may also be null."""

    def complaint(value: Any) -> Complaint:
        if value is None and default is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"must be a whole number from {low} to {high}"
        return None

    return Parameter(default, complaint)


def text(default: str | None) -> Parameter:
    """Make a parameter that is a non-empty string. If the default is None, the value may also be null."""

    def complaint(value: Any) -> Complaint:
        fits = bool(value) and isinstance(value, str)
        return None if fits or (value is None and default is None) else "must be a string that is not empty"

    return Parameter(default, complaint)


def choice(*choices: Any) -> Parameter:
    """Make a parameter that has one of these values; the first one is the default."""
    words = ", ".join(str(choice) for choice in choices)
    return Parameter(choices[0], lambda value: None if value in choices else f"must be one of: {words}")
