"""The short run: each kind of kill once or a few times."""

from pathlib import Path

from tests.chaos import kills
from tests.chaos.world import Outcome


def all_is_well(outcome: Outcome) -> None:
    assert outcome.ordered > 0
    assert outcome.wrong == 0, outcome


async def test_no_order_is_lost_or_made_twice_when_the_server_is_killed_at_random_and_answers_get_lost(
    tmp_path: Path,
) -> None:
    all_is_well(await kills.at_random(tmp_path, kills=2, orders=8))


async def test_an_order_is_made_once_when_the_server_is_killed_around_its_submit(tmp_path: Path) -> None:
    outcome = await kills.aimed(tmp_path, *kills.AIMS)
    all_is_well(outcome)
    assert outcome.kills == len(kills.AIMS)


async def test_an_order_is_made_once_even_if_lists_have_no_prompts(tmp_path: Path) -> None:
    all_is_well(await kills.aimed(tmp_path, kills.REGISTERED, options=kills.NAMELESS))


async def test_an_image_whose_download_was_interrupted_is_fetched_again_and_served_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    all_is_well(await kills.during_a_download(tmp_path, kills=2))


async def test_a_crash_loop_sends_nothing(tmp_path: Path) -> None:
    all_is_well(await kills.in_a_crash_loop(tmp_path, kills=2))


async def test_a_stopped_process_continues_from_its_last_state(tmp_path: Path) -> None:
    all_is_well(await kills.stopped_and_continued(tmp_path, seconds=3))
