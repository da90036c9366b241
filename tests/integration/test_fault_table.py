"""Each row of the table of faults: a fault that is injected into the simulator, and the error that reports it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sora_proxy.blocking import BlockingPool
from sora_proxy.errors import (
    EgressFault,
    Fault,
    KeyRejected,
    RateLimited,
    RequestFault,
    SubmissionUnknown,
    TooManyTasks,
    UpstreamUnavailable,
)
from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import BackendOptions
from sora_proxy.upstream.sora import Sora
from tests.conftest import UPSTREAM_TOKEN, Simulator
from tests.submission import submission

Row = tuple[dict[str, Any], type[Fault], str]  # the injected fault, and the class and code of its error

EVERYWHERE: list[Row] = [
    ({"fault": "unauthorized"}, KeyRejected, "upstream_auth"),
    ({"fault": "unauthorized", "code": "token_invalidated"}, KeyRejected, "upstream_auth"),
    ({"fault": "account"}, KeyRejected, "upstream_auth"),
    ({"fault": "account", "code": "onboarding_required", "status": 401}, KeyRejected, "upstream_auth"),
    ({"fault": "rate_limited"}, RateLimited, "upstream_rate_limited"),
    ({"fault": "quota"}, RateLimited, "upstream_rate_limited"),
    ({"fault": "quota", "status": 402, "code": "insufficient_quota"}, RateLimited, "upstream_rate_limited"),
    ({"fault": "quota", "status": 403, "code": "insufficient_quota"}, RateLimited, "upstream_rate_limited"),
    ({"fault": "challenge"}, EgressFault, "upstream_challenge"),
    ({"fault": "challenge", "status": 429, "header": False}, EgressFault, "upstream_challenge"),
    ({"fault": "challenge", "status": 503, "page": "legacy"}, EgressFault, "upstream_challenge"),
    ({"fault": "forbidden"}, EgressFault, "upstream_country"),
    ({"fault": "forbidden", "status": 451}, EgressFault, "upstream_country"),
]
TO_AN_ORDER: list[Row] = [
    ({"fault": "too_many_tasks"}, TooManyTasks, "upstream_busy"),
    ({"fault": "too_many_tasks", "told_by": "details"}, TooManyTasks, "upstream_busy"),
    ({"fault": "too_many_tasks", "told_by": "text"}, TooManyTasks, "upstream_busy"),
    ({"fault": "policy"}, RequestFault, "content_policy_violation"),
    ({"fault": "server_error", "status": 503}, SubmissionUnknown, "outcome_unknown"),
    ({"fault": "drop"}, SubmissionUnknown, "outcome_unknown"),
    ({"fault": "encoded"}, SubmissionUnknown, "outcome_unknown"),
]
TO_A_PROBE: list[Row] = [
    ({"fault": "no_images"}, KeyRejected, "upstream_auth"),
    ({"fault": "server_error", "status": 503}, UpstreamUnavailable, "upstream_unavailable"),
    ({"fault": "server_error", "status": 522}, UpstreamUnavailable, "upstream_unavailable"),
    ({"fault": "drop"}, UpstreamUnavailable, "upstream_unavailable"),
    ({"fault": "garbage"}, UpstreamUnavailable, "upstream_unavailable"),
    ({"fault": "encoded"}, UpstreamUnavailable, "upstream_unavailable"),
]
ROWS = [
    *((endpoint, row) for endpoint in ("submit", "parameters") for row in EVERYWHERE),
    *(("submit", row) for row in TO_AN_ORDER),
    *(("parameters", row) for row in TO_A_PROBE),
]


ACCOUNT = Account("key", UPSTREAM_TOKEN)


@pytest.fixture
async def sora(simulator: Simulator) -> AsyncIterator[Sora]:
    pool = BlockingPool()
    sora = Sora(BackendOptions("sora", simulator.url), pool)
    yield sora
    await sora.close()
    pool.close()


@pytest.mark.parametrize(
    ("endpoint", "row"),
    ROWS,
    ids=["-".join(str(part) for part in (endpoint, *row[0].values())) for endpoint, row in ROWS],
)
async def test_every_fault_in_the_table_is_reported_as_the_error_in_its_row(
    sora: Sora, simulator: Simulator, endpoint: str, row: Row
) -> None:
    answer, kind, code = row
    await simulator.order_fault(**answer, endpoint=endpoint, times=1)
    with pytest.raises(Fault) as caught:
        await (sora.probe(ACCOUNT) if endpoint == "parameters" else sora.submit(submission(ACCOUNT)))

    assert type(caught.value) is kind
    assert caught.value.code == code
    assert (await simulator.stats())["registered"] == 0


async def test_the_limit_and_the_waiting_time_stated_by_the_back_end_are_reported(
    sora: Sora, simulator: Simulator
) -> None:
    await simulator.order_fault("too_many_tasks", num_tasks=3, told_by="details", times=1)
    with pytest.raises(TooManyTasks) as full:
        await sora.submit(submission(ACCOUNT))
    assert full.value.limit == 3
    for told in ({"as_date": False}, {"as_date": True}):
        await simulator.order_fault("quota", endpoint="submit", retry_after=37, times=1, **told)
        with pytest.raises(RateLimited) as tired:
            await sora.submit(submission(ACCOUNT))
        assert tired.value.retry_after == pytest.approx(37, abs=10)


async def test_a_probe_of_a_working_key_reports_no_fault_and_places_no_order(sora: Sora, simulator: Simulator) -> None:
    await sora.probe(ACCOUNT)
    stats = await simulator.stats()
    assert set(stats["requests"]) == {"parameters"}
    assert stats["registered"] == 0


async def test_a_probe_reports_no_fault_if_the_server_does_not_support_the_call(simulator: Simulator) -> None:
    pool = BlockingPool()
    elsewhere = Sora(BackendOptions("sora", f"{simulator.url}/elsewhere"), pool)
    await elsewhere.probe(ACCOUNT)
    await elsewhere.close()
    pool.close()
