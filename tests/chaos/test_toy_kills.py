"""The short run in front of all other back ends: toys, a server with the Images API, and ComfyUI servers."""

from pathlib import Path

import pytest

from tests.chaos import comfyui_kills, single_calls, toy_kills
from tests.chaos.test_kills import all_is_well

KINDS = pytest.mark.parametrize("kind", toy_kills.AIMS)


@KINDS
async def test_random_kills_and_lost_answers_neither_lose_nor_duplicate_an_order(tmp_path: Path, kind: str) -> None:
    all_is_well(await toy_kills.at_random(tmp_path, kind, kills=2, orders=8))


@pytest.mark.parametrize(("kind", "unknown"), [("named", 0), ("synchronous", 1)])
async def test_an_order_is_made_once_or_has_an_unknown_outcome_after_a_kill(
    tmp_path: Path, kind: str, unknown: int
) -> None:
    outcome = await toy_kills.aimed(tmp_path, kind, toy_kills.REGISTERED)
    all_is_well(outcome)
    assert outcome.unknown == unknown


@pytest.mark.parametrize(("on_lost", "upstream_lost"), [("fail", 2), ("requeue", 0)])
async def test_an_order_that_the_back_end_lost_fails_or_is_sent_again_as_configured(
    tmp_path: Path, on_lost: str, upstream_lost: int
) -> None:
    outcome = await toy_kills.forgotten(tmp_path, kills=1, orders=2, on_lost=on_lost)
    all_is_well(outcome)
    assert outcome.upstream_lost == upstream_lost


async def test_kills_lose_no_image_and_repeat_no_call_if_each_call_makes_one_image(tmp_path: Path) -> None:
    all_is_well(await single_calls.at_random(tmp_path, kills=2, orders=6))


async def test_orders_at_two_comfyui_servers_are_made_once_despite_kills(tmp_path: Path) -> None:
    all_is_well(await comfyui_kills.at_random(tmp_path, kills=2, orders=6))
