"""The orders that the simulated service accepts."""

from typing import Any

import pytest

from sora_proxy.simulator.lifecycle import Order
from sora_proxy.simulator.orders import order_of
from sora_proxy.simulator.refusals import Refusal

GOOD: dict[str, Any] = {
    "type": "image_gen",
    "operation": "simple_compose",
    "prompt": "a boat",
    "n_variants": 2,
    "n_frames": 1,
    "width": 720,
    "height": 480,
    "inpaint_items": [],
}
ITEM = {"type": "image", "frame_index": 0, "upload_media_id": "media_1", "crop_bounds": None}


def test_an_order_without_an_uploaded_image_is_read() -> None:
    assert order_of(GOOD) == Order("a boat", 2, 720, 480)


def test_an_order_for_a_remix_is_read() -> None:
    order = order_of({**GOOD, "operation": "remix", "inpaint_items": [ITEM]})
    assert (order.operation, order.upload_id) == ("remix", "media_1")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "video_gen"}, "unsupported_type"),
        ({"type": None}, "invalid_type"),
        ({"prompt": None}, "missing_prompt"),
        ({"prompt": "  "}, "missing_prompt"),
        ({"prompt": "x" * 32_001}, "prompt_too_long"),
        ({"n_variants": 0}, "invalid_n_variants"),
        ({"n_variants": 5}, "invalid_n_variants"),
        ({"n_variants": True}, "invalid_n_variants"),
        ({"width": 63}, "invalid_size"),
        ({"height": 2049}, "invalid_size"),
        ({"height": "480"}, "invalid_size"),
        ({"n_frames": 30}, "invalid_n_frames"),
        ({"operation": "explode"}, "invalid_operation"),
        ({"operation": "remix"}, "invalid_inpaint_items"),
        ({"inpaint_items": [ITEM]}, "invalid_inpaint_items"),
        ({"operation": "remix", "inpaint_items": [7]}, "invalid_inpaint_items"),
        ({"operation": "remix", "inpaint_items": "media_1"}, "invalid_inpaint_items"),
    ],
)
def test_an_invalid_order_is_refused_with_an_error_code(change: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        order_of({**GOOD, **change})
    assert (refused.value.status, refused.value.code) == (400, code)


def test_an_order_that_is_not_an_object_is_refused() -> None:
    with pytest.raises(Refusal):
        order_of([GOOD])
