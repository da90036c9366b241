"""Which calls a rule for a fault applies to, and which requests for faults are valid."""

import math
from typing import Any

import pytest

from sora_proxy.simulator.fates import fate_of
from sora_proxy.simulator.fault_kinds import KINDS
from sora_proxy.simulator.faults import Call, FaultBook, Rule
from sora_proxy.simulator.refusals import Refusal


def struck(book: FaultBook, call: Call) -> Rule | None:
    rule = book.answer_rule(call) or book.fate_rule(call)
    if rule is not None:
        book.strike(rule)
    return rule


@pytest.mark.parametrize("name", KINDS)
def test_every_fault_can_be_requested_by_its_name_alone(name: str) -> None:
    rule = FaultBook().add({"fault": name})
    assert rule.described()["fault"] == name
    assert rule.matches(Call(KINDS[name].endpoints[0], "k", "a boat"))


def test_a_rule_applies_as_many_times_as_requested() -> None:
    book = FaultBook()
    book.add({"fault": "drop", "times": 2})
    assert [bool(struck(book, Call("list", "k"))) for _ in range(3)] == [True, True, False]
    assert book.rules() == []
    assert book.struck == {"drop": 2}


def test_a_rule_without_times_applies_to_every_call() -> None:
    book = FaultBook()
    book.add({"fault": "drop"})
    assert all(struck(book, Call("list", "k")) for _ in range(50))


def test_a_rule_can_skip_calls_before_it_applies() -> None:
    book = FaultBook()
    book.add({"fault": "drop", "times": 1, "skip": 2})
    assert [bool(struck(book, Call("list", "k"))) for _ in range(4)] == [False, False, True, False]


@pytest.mark.parametrize(
    ("narrowed", "call", "expected"),
    [
        ({"endpoint": "list"}, Call("list", "k"), True),
        ({"endpoint": "list"}, Call("submit", "k", "a boat"), False),
        ({"token": "k"}, Call("list", "k"), True),
        ({"token": "k"}, Call("list", "other"), False),
        ({"prompt": "boat"}, Call("submit", "k", "a boat"), True),
        ({"prompt": "boat"}, Call("submit", "k", "a car"), False),
        ({"prompt": "boat"}, Call("list", "k"), False),
        ({}, Call("media", "k"), False),
        ({"endpoint": "media"}, Call("media", "k"), True),
    ],
)
def test_a_rule_applies_only_to_matching_calls(narrowed: dict[str, str], call: Call, expected: bool) -> None:
    book = FaultBook()
    book.add({"fault": "drop", **narrowed})
    assert (book.answer_rule(call) is not None) is expected


def test_the_first_matching_rule_applies() -> None:
    book = FaultBook()
    first = book.add({"fault": "html", "endpoint": "list"})
    book.add({"fault": "drop"})
    assert book.answer_rule(Call("list", "k")) is first


def test_one_order_can_get_both_a_faulty_answer_and_a_fate_for_its_task() -> None:
    book = FaultBook()
    fate = book.add({"fault": "never_finish"})
    answer = book.add({"fault": "drop"})
    call = Call("submit", "k", "a boat")
    assert (book.fate_rule(call), book.answer_rule(call)) == (fate, answer)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([], "JSON object"),
        ({}, "Unknown fault None"),
        ({"fault": "explode"}, "Unknown fault 'explode'"),
        ({"fault": "drop", "colour": "red"}, "Unknown field 'colour' of drop"),
        ({"fault": "never_finish", "endpoint": "list"}, "endpoint of never_finish"),
        ({"fault": "drop", "endpoint": "nowhere"}, "endpoint of drop"),
        ({"fault": "policy", "endpoint": "list"}, "endpoint of policy"),
        ({"fault": "server_error", "status": 404}, "status of server_error must be a whole number from 500 to 599"),
        ({"fault": "server_error", "registered": "yes"}, "registered of server_error must be true or false"),
        ({"fault": "challenge", "status": 200}, "status of challenge must be one of: 403, 429, 503"),
        ({"fault": "hang", "seconds": -1}, "seconds of hang"),
        ({"fault": "forbidden", "code": ""}, "code of forbidden must be a string that is not empty"),
        ({"fault": "drop", "times": 0}, "times must be a whole number"),
        ({"fault": "drop", "skip": True}, "skip must be a whole number"),
        ({"fault": "drop", "token": 7}, "token must be a string"),
    ],
)
def test_an_invalid_request_for_a_fault_is_refused_with_the_reason(order: Any, message: str) -> None:
    book = FaultBook()
    with pytest.raises(Refusal) as refused:
        book.add(order)
    assert refused.value.status == 400
    assert message in refused.value.message
    assert book.rules() == []


def test_several_requests_for_faults_are_all_refused_if_one_is_invalid() -> None:
    book = FaultBook()
    with pytest.raises(Refusal):
        book.add_all([{"fault": "drop"}, {"fault": "explode"}])
    assert book.rules() == []
    assert len(book.add_all([{"fault": "drop"}, {"fault": "html"}])) == 2


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.is_fate])
def test_every_fate_changes_the_course_of_its_task(name: str) -> None:
    assert fate_of(FaultBook().add({"fault": name})) != fate_of(None)


def test_a_task_vanishes_permanently_if_no_seconds_are_given() -> None:
    assert fate_of(FaultBook().add({"fault": "vanish"})).hidden_seconds == math.inf


def test_the_failure_reason_of_a_moderated_task_is_deliberately_misleading() -> None:
    failure = fate_of(FaultBook().add({"fault": "moderation", "code": "violence"})).failure
    assert failure is not None
    assert failure.moderation_code == "violence"
    assert "invalid token" in failure.reason
