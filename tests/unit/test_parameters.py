"""Parameters: their values, which are the same in every API, and their names at a back end."""

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
    ("seed", -(2**53) + 1),  # as the tests of OpenAI's SDKs send it
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


def test_each_parameter_of_the_core_is_declared() -> None:
    assert tuple(Parameters.model_fields) == PARAMETERS


@apis
@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_parameter_that_is_set_is_passed_on(read: Any, name: str, value: Any) -> None:
    assert read({name: value}).parameters == {name: value}


@apis
@pytest.mark.parametrize(
    ("alias", "name", "value"), [("num_inference_steps", "steps", 20), ("cfg_scale", "guidance_scale", 7.5)]
)
def test_other_names_of_a_parameter_mean_the_same(read: Any, alias: str, name: str, value: Any) -> None:
    assert read({alias: value}).parameters == {name: value}


@apis
@pytest.mark.parametrize("unset", [None, "auto", ""])
def test_a_parameter_that_is_null_or_auto_or_empty_is_left_to_the_model(read: Any, unset: str | None) -> None:
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
def test_any_other_value_is_refused_by_name(read: Any, name: str, value: Any) -> None:
    with pytest.raises(ClientError) as caught:
        read({name: value})
    assert (caught.value.param or "").split(".")[-1] == name


def test_in_a_form_the_values_are_texts() -> None:
    fields = {"prompt": "a fox", "seed": "7", "strength": "0.5", "quality": "auto", "steps": ""}
    assert checked(ImageRequest, fields, strict=False).parameters == {"seed": 7, "strength": 0.5}
    with pytest.raises(ClientError):
        checked(ImageRequest, {"prompt": "a fox", "guidance_scale": "NaN"}, strict=False)


def test_background_in_a_chat_may_also_request_an_answer_at_once() -> None:
    for value, parameters in ((True, {}), (False, {}), ("opaque", {"background": "opaque"})):
        chat = of_chat({"background": value})
        assert isinstance(chat, ChatRequest)
        assert (chat.background, chat.parameters) == (value, parameters)


@apis
def test_the_object_for_the_moderation_of_texts_is_not_the_parameter(read: Any) -> None:
    assert read({"moderation": {"model": "omni-moderation-latest"}}).parameters == {}
