"""Orders on several keys, with a back end that refuses orders above the limits of a key."""

import asyncio
from collections import Counter
from typing import Any

from sora_proxy.scheduling.key_health import KeyMemory
from tests.conftest import HOUR, Proxy, Simulator, StartProxy, StartSimulator
from tests.eventually import PATIENCE

KEYS = ("one", "two", "three")


def keys(*tokens: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"key": token, "weight": weight, **fields} for weight, token in enumerate(tokens, 1)]


def in_front_of(simulator: Simulator, *tokens: str, **fields: Any) -> dict[str, Any]:
    return {"upstream": "sora", "sora_base_url": simulator.url, "api_keys": keys(*tokens, **fields)}


async def order(proxy: Proxy, prompt: str = "a red fox") -> int:
    async with proxy.chat(prompt) as answer:
        await answer.read()
        return int(answer.status)


async def registered_by(simulator: Simulator) -> Counter[str]:
    stats = await simulator.stats()
    return Counter(task["token"] for task in stats["tasks"])


async def test_many_orders_are_served_at_the_rate_limits_of_the_accounts_without_refusals(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    limits = {"max_rpm": 12, "max_concurrent": 3}
    async with start_simulator(rpm=12, max_concurrent=3) as simulator:
        async with start_proxy(**in_front_of(simulator, *KEYS, **limits), max_queue_wait=1000) as proxy:
            assert await asyncio.gather(*(order(proxy) for _ in range(36))) == [200] * 36
            # Every account has used up its rate: a new order waits, and nothing is sent.
            async with proxy.chat(background=True) as answer:
                assert answer.status == 200
        assert (await simulator.stats())["refusals"] == {}
        assert await registered_by(simulator) == dict.fromkeys(KEYS, 12)


async def test_orders_are_distributed_to_the_available_accounts_by_weight(
    simulator: Simulator, start_proxy: StartProxy
) -> None:
    async with start_proxy(**in_front_of(simulator, *KEYS)) as proxy:
        for _ in range(12):
            assert await order(proxy) == 200
    assert await registered_by(simulator) == {"one": 2, "two": 4, "three": 6}


async def test_a_prompt_that_fails_moderation_affects_no_key(simulator: Simulator, start_proxy: StartProxy) -> None:
    await simulator.order_fault("moderation", prompt="dragon")
    await simulator.order_fault("policy", prompt="invalid token")
    async with start_proxy(**in_front_of(simulator, *KEYS)) as proxy:
        for prompt in ("a dragon", "an invalid token", "a dragon", "an invalid token"):
            assert await order(proxy, prompt) == 400
        pool = proxy.pool
        now = asyncio.get_running_loop().time()
        assert [key.ready_at() <= now and key.cooldown.failures == 0 for key in pool.keys] == [True] * 3
        assert [await order(proxy) for _ in KEYS] == [200] * 3


async def test_a_restart_does_not_reset_the_rate_limit_of_a_key(simulator: Simulator, start_proxy: StartProxy) -> None:
    settings, now = in_front_of(simulator, "one", max_rpm=3), asyncio.get_running_loop().time
    async with start_proxy(**settings) as proxy:
        before = now()
        assert await order(proxy) == 200
        after = now()
        for _ in range(2):
            assert await order(proxy) == 200
    async with start_proxy(**settings) as proxy:
        (key,) = proxy.pool.keys
        # One minute after the first order, give or take a second, because stored times come from the wall clock.
        assert before + 59 < key.ready_at() < after + 61


async def test_a_rate_limited_key_is_probed_before_its_next_order(
    simulator: Simulator, start_proxy: StartProxy
) -> None:
    await simulator.order_fault("rate_limited", endpoint="submit", retry_after=0, times=1)
    async with start_proxy(**in_front_of(simulator, "one")) as proxy:
        assert await order(proxy) == 200
    stats = await simulator.stats()
    assert stats["requests"]["parameters"] == {"one": 1}
    assert stats["registered"] == 1


async def test_slow_probes_of_keys_do_not_delay_polls_of_running_tasks(
    simulator: Simulator, start_proxy: StartProxy
) -> None:
    await simulator.order_fault("hang", endpoint="parameters")
    tired = [f"tired-{number}" for number in range(40)]
    # Each probe hangs for longer than the test may take.
    async with start_proxy(**in_front_of(simulator, *tired, "good"), poll_timeout=600) as proxy:
        pool = proxy.pool
        *tired_keys, good = pool.keys
        for key in tired_keys:
            pool.put(key.id, key.config, KeyMemory(unproven=True))
        pool.changed(good)  # the good key is the last key to be polled
        async with asyncio.timeout(PATIENCE):
            assert await order(proxy) == 200


async def test_an_order_that_waits_too_long_for_a_key_fails_with_queue_timeout(
    simulator: Simulator, start_proxy: StartProxy
) -> None:
    async with start_proxy(**in_front_of(simulator, "one", max_rpm=1), queue_timeout=0.3) as proxy:
        assert await order(proxy) == 200
        async with proxy.chat() as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "queue_timeout"
    assert (await simulator.stats())["registered"] == 1


async def test_a_flood_of_orders_by_one_client_does_not_delay_the_orders_of_another_client(
    start_simulator: StartSimulator, start_proxy: StartProxy
) -> None:
    client_keys = [{"key": "sk-of-another-client", "name": "another"}]
    async with start_simulator(seconds=HOUR, max_concurrent=1) as simulator:
        settings = in_front_of(simulator, "one", max_concurrent=1, max_rpm=600)
        async with start_proxy(**settings, client_keys=client_keys, max_queue_wait=HOUR) as proxy:
            for number in range(12):
                async with proxy.chat(f"flood {number}", background=True) as answer:
                    assert answer.status == 200
            headers = {"authorization": "Bearer sk-of-another-client"}
            async with proxy.chat("modest", background=True, headers=headers) as answer:
                assert answer.status == 200
            for number in range(1, 4):
                await simulator.let_pass(registered=number)
            await simulator.wait_for(registered=4)
        assert "modest" in [task["prompt"] for task in (await simulator.stats())["tasks"]]
