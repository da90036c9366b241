"""Reading the answers of a server with Sora's protocol. Their shapes are known from published clients."""

import random
import time
from email.utils import formatdate
from typing import Any

import orjson
import pytest
import requests

from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    RateLimited,
    RequestFault,
    TooManyTasks,
    UpstreamUnavailable,
)
from sora_proxy.generation import Asset
from sora_proxy.settings.accounts import Proxy
from sora_proxy.upstream import Snapshot, TaskState
from sora_proxy.upstream.http_call import Answer
from sora_proxy.upstream.sora_answers import (
    MAX_ANSWER_VALUES,
    MAX_RESULTS,
    MAX_ROWS,
    TaskReader,
    fault_of,
    id_of,
    object_of,
)

HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
HTML_TYPE = {"content-type": "text/html; charset=UTF-8"}
JSON_TYPE = {"content-type": "application/json"}


def answer(status: int, body: bytes | dict[str, Any] = b"", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, requests.structures.CaseInsensitiveDict(JSON_TYPE | given), content)


def html(status: int, **headers: str) -> Answer:
    return answer(status, HTML, **{"content_type": "Text/HTML; charset=UTF-8"} | headers)


def error(status: int, code: Any = None, message: Any = "Something.", details: Any = None, **headers: str) -> Answer:
    body = {"error": {"code": code, "message": message, "type": "invalid_request_error", "details": details}}
    return answer(status, body, **headers)


FAULTS: list[tuple[Answer, type[Fault], str]] = [
    # too many tasks at once
    (error(429, "too_many_concurrent_tasks", details={"num_tasks": 3}), TooManyTasks, "upstream_busy"),
    (error(429, "too_many_concurrent_tasks"), TooManyTasks, "upstream_busy"),
    (error(429, None, details={"num_tasks": "2"}), TooManyTasks, "upstream_busy"),
    (error(429, "rate_limit_exhausted", details={"num_tasks": 2}), TooManyTasks, "upstream_busy"),
    # rate and quota
    (error(429, "rate_limit_exhausted"), RateLimited, "upstream_rate_limited"),
    (
        error(429, "daily_limit", "You've reached your daily limit.", retry_after="37"),
        RateLimited,
        "upstream_rate_limited",
    ),
    (answer(429), RateLimited, "upstream_rate_limited"),
    (answer(429, b"slow down", content_type="text/plain"), RateLimited, "upstream_rate_limited"),
    (error(429, "insufficient_quota"), RateLimited, "upstream_rate_limited"),
    (error(402, None), RateLimited, "upstream_rate_limited"),
    (answer(402), RateLimited, "upstream_rate_limited"),
    *((error(403, code), RateLimited, "upstream_rate_limited") for code in ("insufficient_quota", "quota_exceeded")),
    (error(400, "billing_hard_limit_reached"), RateLimited, "upstream_rate_limited"),
    # the back end is unavailable
    (error(503, "heavy_load"), UpstreamUnavailable, "upstream_unavailable"),
    (error(500, "server_error"), UpstreamUnavailable, "upstream_unavailable"),
    *((html(status), UpstreamUnavailable, "upstream_unavailable") for status in (500, 502, 504, 520, 522, 524)),
    (answer(404, {"detail": "Not Found"}), UpstreamUnavailable, "upstream_unavailable"),
    # only an answer with the back end's own error object counts as a refusal of the order
    *((html(status), UpstreamUnavailable, "upstream_unavailable") for status in (400, 422)),
    *((error(status, None), UpstreamUnavailable, "upstream_unavailable") for status in (400, 422)),
    *((answer(status, {"error": "Bad Request"}), UpstreamUnavailable, "upstream_unavailable") for status in (400, 422)),
    (answer(422, {"detail": [{"loc": ["body"]}]}), UpstreamUnavailable, "upstream_unavailable"),
    # the key is rejected
    (error(401, "token_expired"), KeyRejected, "upstream_auth"),
    (error(401, "token_invalidated"), KeyRejected, "upstream_auth"),
    (answer(401), KeyRejected, "upstream_auth"),
    (html(401), KeyRejected, "upstream_auth"),
    (error(403, "phone_number_required"), KeyRejected, "upstream_auth"),
    (error(403, "onboarding_required"), KeyRejected, "upstream_auth"),
    (error(403, None), KeyRejected, "upstream_auth"),
    (answer(403, b"no"), KeyRejected, "upstream_auth"),
    # the egress is at fault
    (error(403, "unsupported_country_code"), EgressFault, "upstream_country"),
    (error(403, "unsupported_country_region_territory"), EgressFault, "upstream_country"),
    (answer(451), EgressFault, "upstream_country"),
    (html(451), EgressFault, "upstream_country"),
    *((html(status), EgressFault, "upstream_challenge") for status in (403, 429, 503)),
    (answer(403, HTML, content_type="text/html", cf_mitigated="challenge"), EgressFault, "upstream_challenge"),
    (answer(403, {}, cf_mitigated="challenge"), EgressFault, "upstream_challenge"),
    (answer(200, b"", cf_mitigated="challenge"), EgressFault, "upstream_challenge"),
    (html(407), EgressFault, "upstream_proxy"),
    # the order is refused
    (error(400, "content_policy_violation"), RequestFault, "content_policy_violation"),
    (error(400, "invalid_request"), RequestFault, "content_policy_violation"),
    (error(403, "content_policy_violation"), RequestFault, "content_policy_violation"),
    (error(403, "moderation_blocked"), RequestFault, "content_policy_violation"),
    (error(422, "invalid_request"), RequestFault, "content_policy_violation"),
]


@pytest.mark.parametrize(("given", "kind", "code"), FAULTS)
def test_a_refusal_is_classified_by_its_status_and_structure(given: Answer, kind: type[Fault], code: str) -> None:
    proxy = Proxy("http://proxy.example:1")
    fault = fault_of(given, proxy)
    assert type(fault) is kind
    assert fault.code == code
    assert not isinstance(fault, EgressFault) or fault.egress is proxy


NASTY_TEXT = (
    "invalid token expired unauthorized 401 <html> challenge rate limit too_many_concurrent_tasks Bearer sk-secret"
)


@pytest.mark.parametrize(("given", "kind", "code"), FAULTS)
def test_free_text_in_an_answer_is_neither_interpreted_nor_passed_on(
    given: Answer, kind: type[Fault], code: str
) -> None:
    try:
        body = orjson.loads(given.body)
    except orjson.JSONDecodeError:
        body = {"detail": ""}
    if isinstance(body.get("error"), dict):
        body["error"] |= {"message": NASTY_TEXT, "type": NASTY_TEXT, "param": NASTY_TEXT}
    fault = fault_of(Answer(given.status, given.headers, orjson.dumps(body | {"detail": NASTY_TEXT})), None)
    assert type(fault) is kind
    assert fault.code == code
    assert not set(NASTY_TEXT.split()) - {"401", "challenge", "rate", "limit"} & set(str(fault).split())


@pytest.mark.parametrize("code", [NASTY_TEXT, "a b", "x" * 61, "línea", 7, ["token_expired"], {"a": 1}, None, ""])
def test_the_message_about_a_rejected_key_does_not_repeat_an_unknown_code(code: Any) -> None:
    assert str(fault_of(error(401, code), None)) == "The back end does not accept this key (unauthorized)."


def test_the_message_about_a_rejected_key_contains_a_known_code() -> None:
    assert str(fault_of(error(401, "token_expired"), None)) == "The back end does not accept this key (token_expired)."
    assert "has to be unlocked by a person (phone_number_required)" in str(
        fault_of(error(403, "phone_number_required"), None)
    )


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        (3, 3),
        ("2", 2),
        (1.0, 1),
        (0, None),
        (-3, None),
        (0.5, 1),
        (1e300, None),
        ("many", None),
        (None, None),
        ([], None),
    ],
)
def test_a_reported_task_limit_is_read_as_a_positive_integer(told: Any, limit: int | None) -> None:
    fault = fault_of(error(429, "too_many_concurrent_tasks", details={"num_tasks": told}), None)
    assert isinstance(fault, TooManyTasks)
    assert fault.limit == limit


@pytest.mark.parametrize(
    ("message", "code", "kind"),
    [
        ("You already have 3 tasks in progress.", None, TooManyTasks),
        ("Too many concurrent tasks", "too_many_requests", TooManyTasks),
        # The back end was never seen to use these words.
        ("One task is already in progress... try later", None, RateLimited),
        ("You already have 3 tasks in progress.", "rate_limit_exhausted", RateLimited),
        ("You've reached your daily limit.", None, RateLimited),
        (["concurrent tasks"], None, RateLimited),
    ],
)
def test_a_task_limit_is_looked_for_only_in_a_429_answer_without_a_specific_code(
    message: Any, code: str | None, kind: type[Fault]
) -> None:
    assert type(fault_of(error(429, code, message), None)) is kind
    for status in (400, 402, 403, 422, 503):
        assert type(fault_of(error(status, code, message), None)) is not TooManyTasks


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("37", 37.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 5 ", 5.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("5 minutes", None),
        ("1e300", 86_400.0),
        ("9" * 400, 86_400.0),
        ("Wed, 22 Apr 2026 10:00:37 GMT", 37.0),
        ("Wednesday, 22-Apr-26 10:00:37 GMT", 37.0),  # this date and the next one are in obsolete forms
        ("Wed Apr 22 10:00:37 2026", 37.0),
        ("Wed, 22 Apr 2026 09:00:00 GMT", 0.0),
        ("Thu, 22 Apr 2027 10:00:00 GMT", 86_400.0),
        ("Wed, 99 Apr 2026 10:00:00 GMT", None),
        ("Wed, 22 Apr 99999999999999999999 10:00:00 GMT", None),
    ],
)
def test_retry_after_may_be_a_number_of_seconds_or_a_date_by_the_senders_clock(
    header: str, seconds: float | None
) -> None:
    fault = fault_of(error(429, "rate_limit_exhausted", retry_after=header, date="Wed, 22 Apr 2026 10:00:00 GMT"), None)
    assert isinstance(fault, RateLimited)
    assert fault.retry_after == seconds


@pytest.mark.parametrize("date", [{}, {"date": "yesterday"}], ids=["no date", "an odd date"])
def test_retry_after_uses_our_clock_if_the_sender_gives_no_valid_date(date: dict[str, str]) -> None:
    fault = fault_of(error(429, retry_after=formatdate(time.time() + 100, usegmt=True), **date), None)
    assert isinstance(fault, RateLimited)
    assert fault.retry_after == pytest.approx(100, abs=60)


ODD_BODIES = [b"", b"null", b"[]", b'"x"', b"7", b"{", HTML, b"\xff\xfe", b'{"error": null}', b'{"error": "text"}',
              b'{"error": []}', b'{"error": {"details": []}}', b"[" * 100_000, b'{"a": ' * 2000, b"1e999"]  # fmt: skip


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("status", [100, 201, 302, 400, 401, 403, 404, 407, 418, 422, 429, 500, 503, 599])
def test_an_error_answer_with_an_odd_body_is_still_a_fault(status: int, body: bytes) -> None:
    assert isinstance(fault_of(answer(status, body), None), Fault)


@pytest.mark.parametrize("body", ODD_BODIES[:7] + ODD_BODIES[12:], ids=lambda body: repr(body[:20]))
def test_a_body_that_is_not_an_object_is_a_fault_of_the_back_end(body: bytes) -> None:
    with pytest.raises(UpstreamUnavailable):
        object_of(answer(200, body))


def test_a_body_with_more_values_than_an_answer_can_have_is_not_parsed() -> None:
    body = b'{"error": {"code": "too_many_concurrent_tasks"}, "rows": [%b[]]}' % (b"[]," * MAX_ANSWER_VALUES)
    with pytest.raises(UpstreamUnavailable):
        object_of(answer(200, body))
    assert isinstance(fault_of(answer(429, body), None), RateLimited)  # only the status is used


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "x" * 201,
        ["task_1"],
        "task 1",
        "task\n1",
        "task_1\n",
        "[task](1)",
        "<b>",
        "\x1b[2J",
        "\u202e1",
        "t\u00e4sk",
    ],
    ids=lambda value: ascii(value)[:9],
)
def test_an_implausible_id_is_ignored(value: Any) -> None:
    assert id_of({"id": value}) is None
    assert TaskReader().page({"task_responses": [{"id": value}, {"id": "task_1"}]}) == (
        [Snapshot("task_1", TaskState.running)],
        None,
    )
    (asset,) = TaskReader().read(task(status="succeeded", generations=[{"url": "https://m/x", "id": value}])).assets
    assert asset.id is None
    assert TaskReader().page({"task_responses": [], "has_more": True, "last_id": value}) == ([], None)


@pytest.mark.parametrize("value", ["task_01kq3v", "7f8c1d2e-0000-4000-8000-000000000000", "gen:a/b+c=", "x" * 200])
def test_an_id_of_a_usual_form_is_read(value: str) -> None:
    assert id_of({"id": value}) == value


def test_no_more_rows_are_read_than_a_page_can_have() -> None:
    tasks, last = TaskReader().page({"task_responses": [{"id": "task_1"}] * 50_000, "has_more": True, "last_id": "x"})
    assert (len(tasks), last) == (MAX_ROWS, "x")


def test_the_last_value_of_a_repeated_name_in_an_answer_is_used() -> None:
    assert object_of(answer(200, b'{"id": "task_1", "id": "task_2"}')) == {"id": "task_2"}


# --- Tasks ------------------------------------------------------------------------------------------------------------


def task(**fields: Any) -> dict[str, Any]:
    return {"id": "task_1", "status": "running", "progress_pct": None, "generations": [], "prompt": "a fox"} | fields


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("preprocessing", TaskState.running),
        ("queued", TaskState.running),
        ("running", TaskState.running),
        ("processing", TaskState.running),
        ("succeeded", TaskState.succeeded),
        ("failed", TaskState.failed),
        ("error", TaskState.failed),
        ("cancelled", TaskState.failed),
        ("rejected", TaskState.refused),
        ("paused", TaskState.running),
        ("needs_user_review", TaskState.running),
        ("", TaskState.running),
        (None, TaskState.running),
        (7, TaskState.running),
        (["failed"], TaskState.running),
        ({"failed": 1}, TaskState.running),
    ],
)
def test_a_task_with_an_unknown_status_word_counts_as_running(status: Any, state: TaskState) -> None:
    assert TaskReader().read(task(status=status)).state is state


def test_a_task_without_a_status_is_still_running() -> None:
    assert TaskReader().read({"id": "task_1"}).state is TaskState.running


@pytest.mark.parametrize(
    ("moderation", "state"),
    [
        ({"type": "failed", "code": "x"}, TaskState.refused),
        ({"type": "passed"}, TaskState.failed),
        ({"type": "pending"}, TaskState.failed),
        (None, TaskState.failed),
        ("failed", TaskState.failed),
        ([], TaskState.failed),
        ({"type": ["failed"]}, TaskState.failed),
    ],
)
def test_a_task_counts_as_refused_only_if_it_failed_in_moderation(moderation: Any, state: TaskState) -> None:
    given = task(status="failed", moderation_result=moderation, failure_reason="invalid token: policy")
    assert TaskReader().read(given).state is state


@pytest.mark.parametrize(
    ("told", "shares"),
    [
        ([None, 0, 0.07, "0.5", 0.994], [None, 0, 0.07, 0.5, 0.994]),
        ([None, 0, 7, "50.5", 100], [None, 0, 0.07, 0.505, 1]),
        ([1], [None]),  # 1 is ambiguous: it may mean 100 % or 1 %
        ([1.0, 2, 1], [None, 0.02, 0.01]),
        ([-1, "x", [], {}, True, "nan", "inf"], [None, None, None, None, None, None, None]),
        ([1e15], [1]),
        ([1e300, 0.5], [None, 0.5]),
    ],
)
def test_progress_is_read_as_a_fraction_or_as_a_percentage(told: list[Any], shares: list[float | None]) -> None:
    reader = TaskReader()
    assert [reader.read(task(progress_pct=value)).progress for value in told] == shares


def test_an_ended_task_has_no_progress() -> None:
    assert TaskReader().read(task(status="succeeded", progress_pct=0.3)).progress is None


@pytest.mark.parametrize(
    ("value", "read"),
    [(5, 5), ("5", 5), (5.2, 6), (0, None), (-5, None), (None, None), ("soon", None), (1e30, None), (10**25, None),
     ([], None), ({}, None), ("9" * 500, None)],
)  # fmt: skip
def test_counts_are_read_as_positive_integers_that_fit_a_database_column(value: Any, read: int | None) -> None:
    given = task(progress_pos_in_queue=value, estimated_queue_wait_time=value, n_variants=value)
    snapshot = TaskReader().read(given)
    assert (snapshot.position, snapshot.seconds, snapshot.n) == (read, read, read)
    (asset,) = (
        TaskReader()
        .read(task(status="succeeded", generations=[{"url": "https://m/x", "width": value, "height": value}]))
        .assets
    )
    assert (asset.width, asset.height) == (read, read)


def test_the_fields_that_identify_a_task_are_read_if_they_are_present() -> None:
    reader = TaskReader()
    full = reader.read(task(prompt="a fox", n_variants="2", id="task_2"))
    assert (full.task_id, full.prompt, full.n) == ("task_2", "a fox", 2)
    empty = reader.read({"id": "task_1", "prompt": ["a fox"], "n_variants": None})
    assert (empty.prompt, empty.n) == (None, None)


def test_results_are_read_from_every_field_that_may_contain_their_address() -> None:
    generations = [
        {"url": "https://m/1", "width": 720, "height": "480", "id": "gen_1"},
        {"url": "", "encodings": {"source": {"path": "https://m/2"}}},
        {"encodings": {"source": "https://m/3", "md": "https://m/small"}},
        {"url": None, "encodings": None},
        {"url": "javascript:alert(1)"},
        {"url": "file:///etc/passwd"},
        {"url": 7, "encodings": {"source": {"path": 8}}},
        "https://m/4",
        None,
    ]
    assets = TaskReader().read(task(status="succeeded", generations=generations)).assets
    assert assets == (Asset("https://m/1", 720, 480, "gen_1"), Asset("https://m/2"), Asset("https://m/3"))


@pytest.mark.parametrize("generations", [None, {}, "x", 7, [[]], {"url": "https://m/1"}])
def test_a_succeeded_task_may_have_no_results(generations: Any) -> None:
    assert TaskReader().read(task(status="succeeded", generations=generations)).assets == ()


def test_no_more_results_are_read_than_a_task_can_have() -> None:
    listed = [{"url": f"https://m/{number}"} for number in range(100_000)]
    assets = TaskReader().read(task(status="succeeded", generations=listed)).assets
    assert [asset.url for asset in assets] == [row["url"] for row in listed[:MAX_RESULTS]]


def test_results_of_a_task_that_has_not_succeeded_are_ignored() -> None:
    assert TaskReader().read(task(generations=[{"url": "https://m/1"}])).assets == ()


def test_reading_a_row_of_any_shape_raises_no_exception() -> None:
    """One bad row must not hide the key's other tasks."""
    dice = random.Random(0)
    values: list[Any] = [None, True, 0, -1, 1.5, 1e308, 2**63, "", "x", "1e5", [], [[]], {}, {"type": []},
              {"source": []},
              [{"url": [], "encodings": []}], [{"encodings": {"source": {"path": {}}}}], "succeeded",
              "failed"]  # fmt: skip
    names = ["status", "progress_pct", "progress_pos_in_queue", "estimated_queue_wait_time", "prompt",
             "n_variants", "generations", "moderation_result"]  # fmt: skip
    reader = TaskReader()
    for _ in range(5000):
        row = {name: dice.choice(values) for name in names if dice.random() < 0.8}
        snapshot = reader.read({"id": "task_1", **row})
        assert snapshot.task_id == "task_1"
        assert orjson.dumps([snapshot.position, snapshot.seconds, snapshot.progress, snapshot.n])
