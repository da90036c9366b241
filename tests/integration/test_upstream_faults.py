"""When the back end misbehaves, no order is lost or made twice, and only the key at fault is blamed."""

import asyncio
import re
import time
from typing import Any

import pytest

from sora_proxy.scheduling.keys import Key
from sora_proxy.settings.access import fingerprint
from tests.conftest import (
    HOUR,
    UPSTREAM_TOKEN,
    Proxy,
    Simulator,
    StartProxy,
    StartSimulator,
    in_front_of,
    upstream_keys,
)
from tests.eventually import eventually
from tests.streams import read_stream

SHORT = 2.0  # seconds: the deadline of the calls that hang in these tests; other calls take 0.02 s on an idle machine


def key_of(proxy: Proxy, token: str = UPSTREAM_TOKEN) -> Key:
    key = proxy.pool.get(fingerprint(token))
    assert key is not None
    return key


async def read_the_first_list(proxy: Proxy) -> None:
    """Order an image, because on a fresh data folder, the server reads a list before the first order only."""
    async with proxy.chat("the one before") as answer:
        assert answer.status == 200


def submits_by_token(stats: dict[str, Any]) -> dict[str, int]:
    return dict(stats["requests"].get("submit", {}))


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "not registered"])
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "server_error", "status": 500},
        {"fault": "server_error", "status": 503},
        {"fault": "server_error", "status": 522},
        {"fault": "drop"},
        {"fault": "hang"},
        {"fault": "garbage"},
        {"fault": "encoded"},
        {"fault": "html"},
        {"fault": "shape", "kind": "list"},
        {"fault": "oversize", "megabytes": 9},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_an_order_whose_answer_was_lost_is_made_exactly_once(
    start_proxy: StartProxy, simulator: Simulator, fault: dict[str, Any], registered: bool
) -> None:
    await simulator.order_fault(endpoint="submit", times=1, registered=registered, **fault)
    settings = in_front_of(simulator)
    async with start_proxy(**settings, submit_timeout=SHORT) as proxy, proxy.chat(stream=True) as answer:
        stream = await read_stream(answer)

    stats = await simulator.stats()
    assert stream.done
    assert stats["registered"] == 1
    assert submits_by_token(stats) == {UPSTREAM_TOKEN: 1 if registered else 2}


async def test_a_registered_order_is_found_although_the_list_shows_it_late(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(list_lag=0.5) as simulator:
        await simulator.order_fault("server_error", endpoint="submit", times=1, registered=True)
        settings = in_front_of(simulator)
        async with start_proxy(**settings, settle_time=1.5) as proxy, proxy.chat(stream=True) as answer:
            assert (await read_stream(answer)).done
        assert (await simulator.stats())["registered"] == 1


async def test_a_lost_order_is_found_in_a_list_without_prompts(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(list_without_prompts=True) as simulator:
        settings = in_front_of(simulator)
        async with start_proxy(**settings) as proxy:
            await read_the_first_list(proxy)
            await simulator.order_fault("drop", endpoint="submit", times=1, registered=True)
            async with proxy.chat("the lost one") as answer:
                assert answer.status == 200
        assert (await simulator.stats())["registered"] == 2


async def test_with_on_unknown_fail_no_order_is_sent_twice_and_sdk_retries_are_forbidden(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("drop", endpoint="submit", times=1, registered=False)
    settings = in_front_of(simulator)
    async with start_proxy(**settings, on_unknown="fail") as proxy, proxy.chat() as answer:
        assert answer.status == 502
        assert (await answer.json())["error"]["code"] == "outcome_unknown"
        assert answer.headers["x-should-retry"] == "false"

    assert submits_by_token(await simulator.stats()) == {UPSTREAM_TOKEN: 1}


@pytest.mark.parametrize(
    "fault",
    [{"fault": "unauthorized"}, {"fault": "account"}, {"fault": "rate_limited", "retry_after": 60}, {"fault": "quota"}],
    ids=lambda fault: str(fault["fault"]),
)
async def test_an_order_refused_because_of_its_key_goes_to_another_key(
    start_proxy: StartProxy, simulator: Simulator, fault: dict[str, Any]
) -> None:
    await simulator.order_fault(token="first", times=None, endpoint="submit", **fault)
    settings = in_front_of(simulator, "first", "second")
    async with start_proxy(**settings) as proxy:
        for _ in range(2):
            async with proxy.chat() as answer:
                assert answer.status == 200

    assert submits_by_token(await simulator.stats()) == {"first": 1, "second": 2}


async def test_a_reference_image_is_uploaded_again_for_the_next_key(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("unauthorized", token="first", endpoint="submit", times=1)
    settings = in_front_of(simulator, "first", "second")
    gif = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
    async with start_proxy(**settings) as proxy, proxy.chat(f"{gif} larger") as answer:
        assert answer.status == 200

    stats = await simulator.stats()
    assert [upload["token"] for upload in stats["uploads"]] == ["first", "second"]
    assert stats["tasks"][0]["upload_id"] == stats["uploads"][1]["id"]


async def test_the_client_gets_an_error_when_the_last_key_is_rejected(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("unauthorized", endpoint="submit", times=None)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy:
        for _ in range(2):
            async with proxy.chat() as answer:
                assert answer.status == 503
                assert (await answer.json())["error"]["code"] == "no_upstream_key"
                assert answer.headers["x-should-retry"] == "false"
        async with proxy.client.get(f"{proxy.url}/health/ready") as answer:
            assert answer.status == 503

    assert submits_by_token(await simulator.stats()) == {UPSTREAM_TOKEN: 1}


async def test_the_task_limit_of_a_key_is_learned_from_a_refusal(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(max_concurrent=2, seconds=HOUR) as simulator:
        settings = in_front_of(simulator)
        async with start_proxy(**settings) as proxy:
            answers = [await proxy.chat(f"number {number}", stream=True) for number in range(6)]

            async def refused() -> bool:
                return "too_many_concurrent_tasks" in (await simulator.stats())["refusals"]

            await eventually(refused)
            for registered in (2, 4, 6):
                await simulator.let_pass(registered=registered)
            streams = [await read_stream(answer) for answer in answers]
            assert key_of(proxy).limit == 2

        stats = await simulator.stats()
        assert all(stream.done for stream in streams)
        assert any("queued, position" in text for stream in streams for text in stream.reasoning)
        assert stats["registered"] == 6
        assert stats["refusals"]["too_many_concurrent_tasks"] == 1


async def test_a_refused_prompt_is_reported_at_once_and_affects_no_key(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("policy", times=1)
    async with proxy.chat("something bad") as answer:
        error = (await answer.json())["error"]
        assert answer.status == 400
        assert error["code"] == "content_policy_violation"
        assert error["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"
    async with proxy.chat("something good") as answer:
        assert answer.status == 200

    assert key_of(proxy).rejected is None


async def test_a_prompt_that_fails_moderation_later_affects_no_key(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("moderation", times=1)
    async with proxy.chat("something bad", stream=True) as answer:
        stream = await read_stream(answer)

    assert not stream.done
    assert stream.error is not None
    assert stream.error["code"] == "content_policy_violation"
    assert stream.error["type"] == "invalid_request_error"
    assert set(stream.error) == {"message", "type", "param", "code"}
    assert "could not be made" in stream.content
    assert key_of(proxy).rejected is None
    polled = await proxy.get(f"/v1/chat/completions/{stream.headers['x-generation-id']}")
    assert polled["choices"][0]["finish_reason"] == "content_filter"
    assert (await simulator.stats())["registered"] == 1


async def test_a_task_that_fails_at_the_back_end_is_reported_and_not_sent_again(
    proxy: Proxy, simulator: Simulator
) -> None:
    await simulator.order_fault("fail", times=1)
    async with proxy.chat() as answer:
        assert answer.status == 502
        assert (await answer.json())["error"]["code"] == "generation_failed"
        polled = await proxy.get(f"/v1/generation/{answer.headers['x-generation-id']}")

    assert polled["choices"][0]["finish_reason"] == "error"
    assert polled["choices"][0]["message"]["refusal"]
    assert (await simulator.stats())["registered"] == 1


async def test_a_challenge_page_makes_the_egress_cool_down_but_not_the_key(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("challenge", endpoint="submit", times=1)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy, proxy.chat(stream=True) as answer:
        stream = await read_stream(answer)
        assert key_of(proxy).rejected is None

    assert stream.done
    assert (await simulator.stats())["registered"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "server_error"},
        {"fault": "drop"},
        {"fault": "hang"},
        {"fault": "slow_body", "seconds": 0.1},
        {"fault": "garbage"},
        {"fault": "encoded", "encoding": "zstd"},
        {"fault": "html"},
        {"fault": "challenge"},
        {"fault": "shape", "kind": "null"},
        {"fault": "shape", "kind": "missing"},
        {"fault": "oversize", "megabytes": 9},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_a_failed_poll_does_not_affect_the_order(
    start_proxy: StartProxy, simulator: Simulator, fault: dict[str, Any]
) -> None:
    async with start_proxy(**in_front_of(simulator), poll_timeout=SHORT) as proxy:
        await read_the_first_list(proxy)
        await simulator.order_fault(endpoint="list", times=2, **fault)
        async with proxy.chat(stream=True) as answer:
            stream = await read_stream(answer)

    assert stream.done
    assert (await simulator.stats())["registered"] == 2


async def test_a_key_rejected_during_a_task_still_finishes_the_task(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator, "first", "second")
    async with start_proxy(**settings) as proxy:
        await read_the_first_list(proxy)
        before = (await simulator.stats())["lists"]
        await simulator.order_fault("unauthorized", endpoint="list", times=2)
        async with proxy.chat() as answer:
            assert answer.status == 200

    lists = (await simulator.stats())["lists"]
    assert len([token for token in lists if lists[token] != before.get(token)]) == 1


@pytest.mark.parametrize(
    "fate",
    [
        {"fault": "unknown_status"},
        {"fault": "null_progress"},
        {"fault": "vanish", "after": 0.1, "seconds": 0.3, "alone_too": True},
    ],
    ids=lambda fate: str(fate["fault"]),
)
async def test_a_task_with_a_temporarily_unclear_state_is_completed(
    proxy: Proxy, simulator: Simulator, fate: dict[str, Any]
) -> None:
    await simulator.order_fault(times=1, **fate)
    async with proxy.chat(stream=True) as answer:
        assert (await read_stream(answer)).done


async def test_a_task_that_never_finishes_ends_with_a_timeout(start_proxy: StartProxy, simulator: Simulator) -> None:
    await simulator.order_fault("never_finish", times=1)
    settings = in_front_of(simulator)
    async with start_proxy(**settings, generation_timeout=1.0) as proxy, proxy.chat() as answer:
        assert answer.status == 504
        assert (await answer.json())["error"]["code"] == "generation_timeout"


async def test_a_successful_task_without_results_counts_as_a_failure(proxy: Proxy, simulator: Simulator) -> None:
    await simulator.order_fault("no_urls", times=1)
    async with proxy.chat() as answer:
        assert answer.status == 502
        assert (await answer.json())["error"]["code"] == "result_unavailable"


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "media_status"},
        {"fault": "media_cut"},
        {"fault": "media_cut", "reset": True},
        {"fault": "media_html"},
        {"fault": "media_svg"},
        {"fault": "media_oversize", "megabytes": 70},
        {"fault": "media_gzip_bomb", "megabytes": 70},
        {"fault": "media_pixel_bomb"},
        {"fault": "encoded", "endpoint": "media"},
        {"fault": "slow_body", "endpoint": "media", "seconds": 0.1},
        {"fault": "hang", "endpoint": "media"},
        {"fault": "challenge", "endpoint": "media"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_a_failed_download_is_retried(
    start_proxy: StartProxy, simulator: Simulator, fault: dict[str, Any]
) -> None:
    await simulator.order_fault(times=1, **fault)
    settings = in_front_of(simulator) | {"image_localization": True, "download_timeout": SHORT}
    async with start_proxy(**settings) as proxy, proxy.chat() as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]

    assert re.search(rf"\({re.escape(proxy.url)}/images/[0-9a-f]{{32}}\.png\)$", content)


async def test_an_image_that_can_never_be_fetched_is_linked_at_its_original_address(
    proxy: Proxy, simulator: Simulator
) -> None:
    await simulator.order_fault("media_html", times=None)
    async with proxy.chat() as answer:
        content = (await answer.json())["choices"][0]["message"]["content"]

    assert f"]({simulator.url}/" in content


async def test_an_expired_address_of_a_result_is_replaced_by_a_fresh_one(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(media_ttl=HOUR) as simulator:
        await simulator.order_fault("hang", endpoint="media", times=1)
        settings = in_front_of(simulator)
        async with start_proxy(**settings, image_localization=True, download_timeout=SHORT) as proxy:
            asking = asyncio.create_task(proxy.chat().__aenter__())
            await simulator.wait_for(endpoint="media", count=1)
            await simulator.let_pass()
            answer = await asking
            content = (await answer.json())["choices"][0]["message"]["content"]

    assert proxy.url in content


async def test_one_list_call_per_interval_polls_all_generations_of_a_key(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    begun = time.monotonic()
    async with start_simulator(seconds=HOUR) as simulator:
        settings = in_front_of(simulator, "one", "two")
        async with start_proxy(**settings, poll_interval=0.25) as proxy:
            answers = [await proxy.chat(stream=True) for _ in range(20)]
            await simulator.wait_for(endpoint="list", count=8)
            await simulator.let_pass(registered=20)
            assert all([(await read_stream(answer)).done for answer in answers])

        intervals = (time.monotonic() - begun) / 0.25
        stats = await simulator.stats()
        assert stats["registered"] == 20
        assert set(stats["lists"]) == {"one", "two"}
        for lists in stats["lists"].values():
            assert lists["calls"] <= intervals + 1 + 2  # up to two more lists are read before the key's first orders
        assert "task" not in stats["requests"]


async def test_orders_beyond_the_queue_limit_are_refused_before_anything_is_sent(
    start_proxy: StartProxy, start_simulator: StartSimulator
) -> None:
    async with start_simulator(seconds=60) as simulator:
        keys = upstream_keys(max_concurrent=1)
        settings = {"upstream": "sora", "sora_base_url": simulator.url, "api_keys": keys, "max_queue_wait": 3600}
        async with start_proxy(**settings, max_queue=2) as proxy:
            for _ in range(3):
                async with proxy.chat(background=True) as answer:
                    assert answer.status == 200
            await simulator.wait_for(registered=1)
            async with proxy.chat(stream=True) as answer:
                assert answer.status == 429
                assert (await answer.json())["error"]["code"] == "rate_limit_exceeded"
                assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (await simulator.stats())["registered"] == 1


async def test_an_order_whose_answers_are_always_lost_is_sent_three_times(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("server_error", endpoint="submit", times=None, registered=False)
    settings = in_front_of(simulator)
    async with start_proxy(**settings, settle_time=0.1) as proxy, proxy.chat() as answer:
        assert answer.status == 502
        # Three searches proved that the order was not registered, so its outcome is not unknown.
        assert (await answer.json())["error"]["code"] == "upstream_unavailable"
        assert answer.headers["x-should-retry"] == "false"

    assert submits_by_token(await simulator.stats()) == {UPSTREAM_TOKEN: 3}


async def test_an_order_sent_again_is_not_moved_to_the_end_of_the_line(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    await simulator.order_fault("drop", endpoint="submit", times=1, registered=False)
    settings = in_front_of(simulator)
    async with start_proxy(**settings) as proxy:
        answers = [await proxy.chat(f"number {number}", stream=True) for number in range(4)]
        assert all([(await read_stream(answer)).done for answer in answers])

    # Only the next order in line may get the released key before the order that is sent again.
    prompts = [task["prompt"] for task in (await simulator.stats())["tasks"]]
    assert prompts in (["number 1", "number 0", "number 2", "number 3"], [f"number {n}" for n in range(4)])


async def test_waiting_orders_are_made_even_if_their_key_is_rejected_during_a_poll(
    start_proxy: StartProxy, simulator: Simulator
) -> None:
    settings = in_front_of(simulator, max_concurrent=1)
    async with start_proxy(**settings) as proxy:
        await read_the_first_list(proxy)
        await simulator.order_fault("unauthorized", endpoint="list", times=1)
        answers = [await proxy.chat(stream=True) for _ in range(3)]
        assert all([(await read_stream(answer)).done for answer in answers])
