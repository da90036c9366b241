"""Refusing orders that no back end of a model can make. The error contains the name of the parameter."""

import pytest

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.image_input import Inputs, InputSource
from sora_proxy.api.ordering.possible import MAX_REFERENCES, check_possible
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Abilities
from sora_proxy.upstream.model_names import Model, Route


def check(*abilities: Abilities, n: int = 1, references: int = 0, mask: bool = False) -> None:
    """Check an order for a model whose back ends have these abilities."""
    model = Model("fox", tuple(Route(str(number), "fox", can) for number, can in enumerate(abilities)))
    sources = [InputSource("https://example.com/fox.png", "image")] * references
    inputs = Inputs(sources, InputSource("https://example.com/mask.png", "mask") if mask else None)
    check_possible(model, inputs.named(GenerationSpec("fox", "a fox", n=n), [""] * len(inputs.all)), inputs)


def refusal(*abilities: Abilities, n: int = 1, references: int = 0, mask: bool = False) -> tuple[str, str | None, str]:
    with pytest.raises(ClientError) as caught:
        check(*abilities, n=n, references=references, mask=mask)
    return caught.value.code, caught.value.param, str(caught.value)


def test_an_order_within_the_abilities_of_a_model_is_accepted() -> None:
    check(Abilities())
    check(Abilities(max_images=4, max_references=16, masks=True), n=4, references=16, mask=True)
    check(Abilities(max_images=4), Abilities(max_references=1, masks=True), references=1, mask=True)


def test_the_error_about_an_exceeded_limit_states_the_parameter_and_the_limit() -> None:
    assert refusal(Abilities(max_images=4), n=5) == ("invalid_value", "n", "'n' can be at most 4 for fox.")
    for most, words in ((0, "no reference image"), (1, "at most 1 reference image"), (3, "at most 3 reference images")):
        code, param, message = refusal(Abilities(max_references=most), references=most + 1)
        assert (code, param, message) == ("invalid_image", "image", f"fox accepts {words}, but {most + 1} were sent.")
    assert refusal(Abilities(max_references=1), references=1, mask=True)[1:] == ("mask", "fox does not accept a mask.")
    assert refusal(Abilities(masks=True), mask=True)[1:] == ("mask", "A mask needs a reference image.")


def test_no_order_has_more_reference_images_than_openais_api_accepts() -> None:
    code, _, message = refusal(Abilities(max_references=1000), references=MAX_REFERENCES + 1)
    assert code == "invalid_image"
    assert f"at most {MAX_REFERENCES} reference images" in message


@pytest.mark.parametrize(
    ("order", "param", "words"),
    [
        ({"n": 2, "references": 1}, "n", "n=2 with 1 reference image"),
        ({"references": 2, "mask": True}, "image", "n=1 with 2 reference images and a mask"),
    ],
)
def test_a_combination_of_parameters_that_no_single_back_end_accepts_is_refused(
    order: dict[str, int], param: str, words: str
) -> None:
    abilities = [
        Abilities(max_images=2),
        Abilities(max_references=2),
        Abilities(max_references=1, masks=True),
    ]
    _, named, message = refusal(*abilities, **order)  # type: ignore[arg-type]
    assert named == param
    assert message == f"No back end that serves fox accepts this combination in one order: {words}."
