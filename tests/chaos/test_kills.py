"""The short run in front of the simulator: each kind of kill, once or a few times."""

from pathlib import Path

from tests.chaos import kills
from tests.chaos.world import Outcome


def all_is_well(outcome: Outcome) -> None:
    assert outcome.ordered > 0
    assert outcome.wrong == 0, outcome


async def test_random_kills_and_lost_answers_neither_lose_nor_duplicate_an_order(
    tmp_path: Path,
) -> None:
    all_is_well(await kills.at_random(tmp_path, kills=2, orders=8))


async def test_an_order_is_made_once_if_the_server_is_killed_during_its_submit(tmp_path: Path) -> None:
    outcome = await kills.aimed(tmp_path, *kills.AIMS)
    all_is_well(outcome)
    assert outcome.kills == len(kills.AIMS)


async def test_an_order_is_made_once_after_a_kill_if_lists_have_no_prompts(tmp_path: Path) -> None:
    all_is_well(await kills.aimed(tmp_path, kills.REGISTERED, options=kills.NAMELESS))


async def test_an_image_is_fetched_again_after_a_kill_during_its_download(
    tmp_path: Path,
) -> None:
    all_is_well(await kills.during_a_download(tmp_path, kills=2))


async def test_a_crash_loop_never_sends_an_order_of_unknown_outcome_again(tmp_path: Path) -> None:
    all_is_well(await kills.in_a_crash_loop(tmp_path, kills=2))


async def test_a_process_that_was_suspended_for_seconds_finishes_its_orders(tmp_path: Path) -> None:
    all_is_well(await kills.stopped_and_continued(tmp_path, seconds=3))
