"""The parameters of orders, which have the same names and values in every API."""

from typing import Any

import pytest

from sora_proxy.api.chat.requests import ChatRequest
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.images.requests import ImageRequest
from sora_proxy.api.ordering.parameters import Parameters
from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, checked
from sora_proxy.api.responses.requests import ResponseRequest
from sora_proxy.spec import PARAMETERS


def of_chat(fields: dict[str, Any]) -> Parameters:
    return checked(ChatRequest, {"model": "m", "messages": [{"role": "user", "content": "a fox"}]} | fields)


def of_images(fields: dict[str, Any]) -> Parameters:
    return checked(ImageRequest, {"prompt": "a fox"} | fields)


def of_responses(fields: dict[str, Any]) -> Parameters:
    return checked(ResponseRequest, {"input": "a fox", "tools": [{"type": "image_generation"} | fields]}).tool


apis = pytest.mark.parametrize("read", [of_chat, of_images, of_responses])
VALUES: list[tuple[str, Any]] = [
    ("seed", -(2**53) + 1),  # a value that the tests of OpenAI's SDKs send
    ("seed", 2**63 - 1),
    ("seed", 0),
    ("steps", 1),
    ("guidance_scale", 7.5),
    ("guidance_scale", 7),
    ("strength", 0),
    ("strength", 0.0),
    ("negative_prompt", "snow"),
    ("negative_prompt", "auto"),
    ("style", "vivid"),
    ("quality", "hd"),
    ("quality", "xhigh"),
    ("background", "transparent"),
    ("moderation", "low"),
    ("input_fidelity", "high"),
]


def test_the_api_declares_every_parameter_of_an_order() -> None:
    assert tuple(Parameters.model_fields) == PARAMETERS


@apis
@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_parameter_that_is_set_is_passed_on(read: Any, name: str, value: Any) -> None:
    assert read({name: value}).parameters == {name: value}


@apis
@pytest.mark.parametrize(
    ("alias", "name", "value"), [("num_inference_steps", "steps", 20), ("cfg_scale", "guidance_scale", 7.5)]
)
def test_a_parameter_can_be_set_under_its_alias(read: Any, alias: str, name: str, value: Any) -> None:
    assert read({alias: value}).parameters == {name: value}


@apis
@pytest.mark.parametrize("unset", [None, "auto", ""])
def test_a_parameter_that_is_null_auto_or_empty_counts_as_unset(read: Any, unset: str | None) -> None:
    fields = dict.fromkeys(PARAMETERS, unset) | ({"negative_prompt": ""} if unset else {})
    assert read(fields).parameters == {}


@apis
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 2**63),
        ("seed", 1.5),
        ("seed", True),
        ("seed", "7"),
        ("steps", 0),
        ("num_inference_steps", 1001),
        ("guidance_scale", float("nan")),
        ("guidance_scale", float("inf")),
        ("cfg_scale", -1),
        ("strength", 1.01),
        ("strength", "x"),
        ("negative_prompt", "x" * (MAX_PROMPT_LENGTH + 1)),
        ("negative_prompt", 7),
        ("style", "x" * 201),
        ("style", {}),
        ("quality", "best"),
        ("background", "white"),
        ("background", ["opaque"]),
        ("moderation", "none"),
        ("moderation", []),
        ("input_fidelity", "medium"),
    ],
)
def test_an_invalid_parameter_is_refused_with_its_name_in_the_error(read: Any, name: str, value: Any) -> None:
    with pytest.raises(ClientError) as caught:
        read({name: value})
    assert (caught.value.param or "").split(".")[-1] == name


def test_parameters_in_a_form_are_read_from_text() -> None:
    fields = {"prompt": "a fox", "seed": "7", "strength": "0.5", "quality": "auto", "steps": ""}
    assert checked(ImageRequest, fields, strict=False).parameters == {"seed": 7, "strength": 0.5}
    with pytest.raises(ClientError):
        checked(ImageRequest, {"prompt": "a fox", "guidance_scale": "NaN"}, strict=False)


def test_background_in_a_chat_request_may_be_a_boolean_or_the_parameter_of_that_name() -> None:
    for value, parameters in ((True, {}), (False, {}), ("opaque", {"background": "opaque"})):
        chat = of_chat({"background": value})
        assert isinstance(chat, ChatRequest)
        assert (chat.background, chat.parameters) == (value, parameters)


@apis
def test_a_moderation_object_is_not_the_moderation_parameter(read: Any) -> None:
    assert read({"moderation": {"model": "omni-moderation-latest"}}).parameters == {}
