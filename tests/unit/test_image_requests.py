"""Requests for images: JSON values have strict types, form fields are texts, and null means the default."""

from typing import Any

import pytest

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.images.requests import STOCK_PROMPT, EditRequest, ImageRequest, VariationRequest
from sora_proxy.api.ordering.schemas import checked


def test_a_minimal_request_has_the_defaults_and_null_means_the_default() -> None:
    least = checked(ImageRequest, {"prompt": "a fox"})
    assert (least.n, least.size, least.stream, least.model, least.response_format) == (1, "auto", False, None, None)
    nulls = dict.fromkeys(set(ImageRequest.model_fields) - {"prompt"})
    assert checked(ImageRequest, {"prompt": "a fox"} | nulls) == least


def test_white_space_around_a_prompt_is_removed() -> None:
    assert checked(ImageRequest, {"prompt": " a fox\n"}).prompt == "a fox"


@pytest.mark.parametrize(
    ("size", "dimensions"), [("auto", None), ("1024x1024", (1024, 1024)), ("64×9999", (64, 9999)), ("10*10", (10, 10))]
)
def test_a_size_may_be_auto_or_written_with_any_of_three_separators(
    size: str, dimensions: tuple[int, int] | None
) -> None:
    assert checked(ImageRequest, {"prompt": "a fox", "size": size}).dimensions == dimensions


@pytest.mark.parametrize("size", ["", "1024", "1024x", "1x1", "00x10", "10x00", "99999x10", "10 x 10", "١٠x١٠"])
def test_an_invalid_size_is_refused_with_the_name_of_its_field(size: str) -> None:
    with pytest.raises(ClientError) as caught:
        _ = checked(ImageRequest, {"prompt": "a fox", "size": size}).dimensions
    assert caught.value.param == "size"


FORM: list[tuple[str, str, Any]] = [
    ("n", "2", 2),
    ("stream", "true", True),
    ("stream", "false", False),
    ("partial_images", "3", 3),
    ("output_compression", "50", 50),
]


@pytest.mark.parametrize(("name", "text", "value"), FORM)
def test_numbers_and_booleans_may_be_texts_in_form_data_but_not_in_json(name: str, text: str, value: Any) -> None:
    fields = {"prompt": "a fox", name: text}
    assert getattr(checked(EditRequest, fields, strict=False), name) == value
    with pytest.raises(ClientError) as caught:
        checked(EditRequest, fields)
    assert caught.value.param == name


def test_a_variation_always_has_the_stock_prompt() -> None:
    for fields in ({}, {"prompt": None}, {"prompt": ["x"]}, {"prompt": "a fox"}):
        assert checked(VariationRequest, fields).prompt == STOCK_PROMPT
