"""The short run for back ends that take our ids, and for those whose answer is the image."""

from pathlib import Path

import pytest

from tests.chaos import comfyui_kills, single_calls, toy_kills
from tests.chaos.test_kills import all_is_well

KINDS = pytest.mark.parametrize("kind", toy_kills.AIMS)


@KINDS
async def test_no_order_is_lost_or_made_twice_when_the_server_is_killed_at_random_and_answers_get_lost(
    tmp_path: Path, kind: str
) -> None:
    all_is_well(await toy_kills.at_random(tmp_path, kind, kills=2, orders=8))


@pytest.mark.parametrize(("kind", "unknown"), [("named", 0), ("synchronous", 1)])
async def test_an_order_is_made_once_or_reported_as_unknown_when_the_server_is_killed_before_the_answer(
    tmp_path: Path, kind: str, unknown: int
) -> None:
    outcome = await toy_kills.aimed(tmp_path, kind, toy_kills.REGISTERED)
    all_is_well(outcome)
    assert outcome.unknown == unknown


@pytest.mark.parametrize(("on_lost", "upstream_lost"), [("fail", 2), ("requeue", 0)])
async def test_an_order_that_the_back_end_lost_is_reported_as_lost_or_made_if_the_operator_chose_that(
    tmp_path: Path, on_lost: str, upstream_lost: int
) -> None:
    outcome = await toy_kills.forgotten(tmp_path, kills=1, orders=2, on_lost=on_lost)
    all_is_well(outcome)
    assert outcome.upstream_lost == upstream_lost


async def test_images_that_arrived_by_single_calls_are_kept_and_none_is_ordered_twice(tmp_path: Path) -> None:
    all_is_well(await single_calls.at_random(tmp_path, kills=2, orders=6))


async def test_orders_of_a_farm_of_comfyui_servers_are_made_once(tmp_path: Path) -> None:
    all_is_well(await comfyui_kills.at_random(tmp_path, kills=2, orders=6))
