"""The line: fair between clients, and in order of arrival for each client."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_proxy.scheduling.line import Line, Place

Clients = dict[str, float]
NUMBERS = itertools.count(1)


def line_of(weights: Clients | None = None) -> Line[str]:
    return Line(weights or {})


def come(line: Line[str], client: str, count: int = 1) -> list[Place[str]]:
    places: list[Place[str]] = [Place(client, f"{client}-{number}", number=next(NUMBERS)) for number in range(count)]
    for place in places:
        line.add(place)
    return places


def pop(line: Line[str]) -> Place[str]:
    place = line.next()
    line.remove(place)
    return place


def served(line: Line[str], count: int) -> list[str]:
    return [pop(line).generation_id for _ in range(count)]


def test_orders_of_one_client_are_served_in_order_of_arrival() -> None:
    line = line_of()
    come(line, "one", 5)
    assert served(line, 5) == [f"one-{number}" for number in range(5)]
    assert len(line) == 0


def test_the_first_order_of_a_client_is_served_soon_even_if_another_client_floods_the_line() -> None:
    line = line_of()
    come(line, "greedy", 500)
    served(line, 10)
    come(line, "modest")
    assert "modest-0" in served(line, 2)


@pytest.mark.parametrize("weights", [{"one": 1, "two": 2, "three": 3}, {"one": 0.5, "two": 0.25}, {"one": 1, "two": 9}])
def test_clients_that_always_have_orders_waiting_share_keys_in_proportion_to_their_weights(weights: Clients) -> None:
    line = line_of(weights)
    for client in weights:
        come(line, client, 1200)
    counts = Counter(pop(line).client for _ in range(1200))
    for client, weight in weights.items():
        assert abs(counts[client] - 1200 * weight / sum(weights.values())) <= 2


def test_a_client_that_was_inactive_gets_no_extra_turns_later() -> None:
    line = line_of()
    come(line, "one", 200)
    served(line, 100)
    come(line, "two", 100)
    turns = [pop(line).client for _ in range(100)]
    assert max(len(list(run)) for _, run in itertools.groupby(turns)) <= 2


def test_an_order_that_returns_to_the_line_gets_its_old_place() -> None:
    line = line_of()
    places = come(line, "one", 4)
    first, second = pop(line), pop(line)
    line.add(second)
    line.add(first)
    assert served(line, 4) == [place.generation_id for place in places]


def test_orders_are_listed_in_the_sequence_in_which_they_are_served() -> None:
    line = line_of({"two": 2})
    come(line, "one", 20)
    come(line, "two", 20)
    served(line, 5)
    come(line, "late", 3)
    listed = [place.generation_id for place in line.in_order()]
    assert served(line, len(listed)) == listed


@st.composite
def step_sequences(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Sequences of steps. An order of a client arrives, a waiting order leaves, the next order is taken out of the
    line, or an order that was taken out returns. The number in a step determines which order leaves or returns."""
    step = st.tuples(st.sampled_from(["a", "b", "c", "leave", "pop", "pop", "again"]), st.integers(0, 50))
    return draw(st.lists(step, max_size=150))


@settings(deadline=None)
@given(step_sequences())
def test_no_order_is_lost_or_served_twice_in_any_sequence_of_steps(story: list[tuple[str, int]]) -> None:
    line = line_of({"b": 3})
    waiting: list[Place[str]] = []
    popped: list[Place[str]] = []
    for what, number in story:
        if what == "leave" and waiting:
            line.remove(waiting.pop(number % len(waiting)))
        elif what == "pop" and waiting:
            popped.append(pop(line))
            waiting.remove(popped[-1])
        elif what == "again" and popped:
            waiting.append(popped.pop(number % len(popped)))
            line.add(waiting[-1])
        elif what in "abc":
            waiting += come(line, what)
        assert len(line) == len(waiting)
        assert Counter(map(id, line.in_order())) == Counter(map(id, waiting))
    listed = list(line.in_order())
    assert [pop(line) for _ in waiting] == listed


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_an_order_gets_the_place_in_line_that_was_predicted(one: int, two: int, gone: int) -> None:
    line = line_of({"two": 2})
    come(line, "one", one)
    come(line, "two", two)
    served(line, min(gone, one + two))
    for client in ("one", "two", "three"):
        ahead = line.places_before(client)
        (place,) = come(line, client)
        position = list(line.in_order()).index(place)
        assert position == ahead
        line.remove(place)
