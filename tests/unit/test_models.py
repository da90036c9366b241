"""Which names are models, and what they stand for."""

from dataclasses import replace

import pytest

from sora_proxy.errors import ConfigurationError, UnknownModel
from sora_proxy.upstream import Capabilities
from sora_proxy.upstream.model_names import Models, Offer

CAN = Capabilities(("ours", "also-ours"), ((720, 480),), max_images=4, max_references=1)


def offers(can: Capabilities) -> list[Offer]:
    return [Offer("one", can, {name: name for name in can.models})]


def names(models: Models) -> list[str]:
    return [model.id for model in models.listed]


def test_ours_come_first_and_each_alias_after_them() -> None:
    models = Models(offers(CAN), {"dall-e-3": "ours", "a/b": "also-ours"})
    assert names(models) == ["ours", "also-ours", "dall-e-3", "a/b"]
    assert models.default.id == "ours"
    assert [model.alias_of for model in models.listed] == [None, None, "ours", "also-ours"]


@pytest.mark.parametrize(("images_model", "meant"), [(None, "ours"), ("also-ours", "also-ours")])
def test_without_aliases_openais_names_stand_for_the_model_that_the_back_end_chose_or_its_first(
    images_model: str | None, meant: str
) -> None:
    models = Models(offers(replace(CAN, images_model=images_model)), None)
    for name in ("dall-e-3", "gpt-image-1", "gpt-image-9-mini"):
        assert models.get(name).alias_of == meant
    assert "dall-e-3" in names(models)


def test_a_pattern_is_known_and_not_listed_and_the_asked_name_stays() -> None:
    models = Models(offers(CAN), {"gpt-image-*": "ours"})
    assert names(models) == ["ours", "also-ours"]
    assert (models.get("gpt-image-9-mini").id, models.get("gpt-image-9-mini").alias_of) == ("gpt-image-9-mini", "ours")


def test_an_alias_can_not_take_the_name_of_one_of_ours() -> None:
    models = Models(offers(CAN), {"ours": "also-ours", "*": "also-ours"})
    assert models.get("ours").alias_of is None


@pytest.mark.parametrize("name", ["", "gpt-9", "OURS", "ours ", "x" * 10_000])
def test_any_other_name_is_refused_and_a_few_are_named(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        Models(offers(CAN), {"dall-e-3": "ours"}).get(name)
    assert "ours, also-ours, dall-e-3" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_alias_that_leads_nowhere_is_the_operators_fault() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Models(offers(CAN), {"dall-e-3": "ours", "a": "b"})
    assert caught.value.faults == ["MODEL_ALIASES: 'b' is none of ours, also-ours"]


SIZES = ((720, 480), (480, 720), (480, 480), (1024, 1024), (1536, 1024), (1024, 1536), (1792, 1024), (1024, 1792))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, (720, 480)),
        *((size, size) for size in SIZES),
        ((256, 256), (480, 480)),
        ((512, 512), (480, 480)),
        ((2048, 2048), (1024, 1024)),
        ((1500, 1000), (1536, 1024)),
        ((90, 60), (720, 480)),
        ((1920, 1080), (1792, 1024)),
        ((1, 9999), (1024, 1792)),
    ],
)
def test_the_size_is_the_nearest_in_shape_and_then_in_pixels(
    asked: tuple[int, int] | None, given: tuple[int, int]
) -> None:
    can = Capabilities(("ours",), SIZES, max_images=4, max_references=1)
    assert Models(offers(can), {}).default.size_for(asked) == given
