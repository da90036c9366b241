"""After a kill at any step of an order, the next server neither loses the order, nor sends it twice, nor counts it
twice against a daily cap."""

import pytest

from sora_proxy.upstream import Identity
from tests.contract.conftest import Contract, StartKillable
from tests.contract.script import Step
from tests.contract.stages import STAGES

# The effect of a kill does not depend on the protocol, so one of the two APIs related to the Images API is enough.
pytestmark = pytest.mark.parametrize(
    "contract", [name for name in STAGES if name != "openai_images (chat)"], indirect=True
)


async def killed_at(step: Step, contract: Contract, start: StartKillable) -> str:
    """Kill our server while the back end is at a step of an order; returns the id of the order."""
    async with start() as server:
        generation_id = await server.order(contract.model)
        await contract.stage.script.reach(step)
        await server.kill()
        return generation_id


@pytest.mark.parametrize(
    ("step", "arrives"),
    [(Step.arrived, True), (Step.arrived, False), (Step.registered, True)],
    ids=["arrives after the kill", "never arrives", "registered"],
)
async def test_a_submit_interrupted_by_a_kill_ends_in_one_image_or_an_unknown_outcome(
    contract: Contract, start_killable: StartKillable, step: Step, arrives: bool
) -> None:
    go_on = contract.stage.script.pause(step)
    if not arrives:
        contract.stage.script.cut(step)
    generation_id = await killed_at(step, contract, start_killable)
    go_on.set()
    async with start_killable() as server:
        ended = await server.ended(generation_id)
        if contract.searchable:
            assert (ended["status"], len(ended["pictures"])) == ("completed", 1)
        else:
            assert ended["error"]["code"] == "outcome_unknown"
        assert await server.images_today() == 1  # even an order of unknown outcome counts
    assert contract.stage.registered == (arrives or contract.searchable)


@pytest.mark.parametrize("step", [Step.polled, Step.fetched])
async def test_an_order_whose_task_is_running_or_has_finished_is_completed_after_a_kill(
    contract: Contract, start_killable: StartKillable, step: Step
) -> None:
    if contract.identity is Identity.synchronous:
        pytest.skip("its request is the job")
    go_on = contract.stage.script.pause(step)
    generation_id = await killed_at(step, contract, start_killable)
    go_on.set()
    async with start_killable() as server:
        ended = await server.ended(generation_id)
        assert (ended["status"], len(ended["pictures"])) == ("completed", 1)
        assert await server.images_today() == 1
    assert contract.stage.registered == 1


async def test_an_order_that_was_refused_before_a_kill_does_not_count_against_the_cap(
    contract: Contract, start_killable: StartKillable
) -> None:
    contract.stage.refuses = True
    async with start_killable() as server:
        ended = await server.ended(await server.order(contract.model))
        assert ended["error"]["code"] == contract.stage.refusal_code
        await server.kill()
    async with start_killable() as server:
        assert await server.images_today() == 0
    assert contract.stage.registered == 0
