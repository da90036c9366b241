"""The names of models, and which model each alias refers to."""

from dataclasses import replace

import pytest

from sora_proxy.errors import ConfigurationError, ModelsNotListed, UnknownModel
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Abilities, Capabilities
from sora_proxy.upstream.model_names import Models, Offer, Route

ABILITIES = Abilities(((720, 480),), max_images=4, max_references=1)
CAN = Capabilities({"ours": ABILITIES, "also-ours": ABILITIES})


def of_one(can: Capabilities, aliases: dict[str, str] | None, default: str | None = None) -> Models:
    """The models of one back end."""
    models = Models(aliases, default)
    models.offer([Offer("one", can, {name: name for name in can.models})])
    return models


def names(models: Models) -> list[str]:
    return [model.id for model in models.listed]


def test_real_models_are_listed_before_their_aliases() -> None:
    models = of_one(CAN, {"dall-e-3": "ours", "a/b": "also-ours"})
    assert names(models) == ["ours", "also-ours", "dall-e-3", "a/b"]
    assert models.default.id == "ours"
    assert [model.alias_of for model in models.listed] == [None, None, "ours", "also-ours"]


@pytest.mark.parametrize(("images_model", "meant"), [(None, "ours"), ("also-ours", "also-ours")])
def test_by_default_openais_names_stand_for_the_images_model_or_the_first_model(
    images_model: str | None, meant: str
) -> None:
    models = of_one(replace(CAN, images_model=images_model), None)
    for name in ("dall-e-3", "gpt-image-1", "gpt-image-9-mini"):
        assert models.get(name).alias_of == meant
    assert "dall-e-3" in names(models)


def test_a_name_that_matches_a_pattern_is_accepted_but_not_listed() -> None:
    models = of_one(CAN, {"gpt-image-*": "ours"})
    assert names(models) == ["ours", "also-ours"]
    assert (models.get("gpt-image-9-mini").id, models.get("gpt-image-9-mini").alias_of) == ("gpt-image-9-mini", "ours")


def test_an_alias_cannot_take_the_name_of_a_real_model() -> None:
    models = of_one(CAN, {"ours": "also-ours", "*": "also-ours"})
    assert models.get("ours").alias_of is None


@pytest.mark.parametrize("name", ["", "gpt-9", "OURS", "ours ", "x" * 10_000])
def test_the_message_about_an_unknown_model_lists_a_few_models(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        of_one(CAN, {"dall-e-3": "ours"}).get(name)
    assert "ours, also-ours, dall-e-3" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_alias_for_an_unknown_model_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        of_one(CAN, {"dall-e-3": "ours", "a": "b"}).check()
    assert caught.value.faults == ["MODEL_ALIASES: 'b' is not one of the models ours, also-ours"]


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
def test_of_the_sizes_with_the_nearest_shape_the_one_with_the_nearest_area_is_chosen(
    asked: tuple[int, int] | None, given: tuple[int, int]
) -> None:
    assert of_one(Capabilities({"ours": Abilities(SIZES)}), {}).default.size_for(asked) == given


def test_the_requested_size_is_used_if_a_model_takes_any_size() -> None:
    model = of_one(Capabilities({"ours": Abilities()}), {}).default
    assert (model.size_for(None), model.size_for((123, 77))) == ((1024, 1024), (123, 77))


def of_two(first: Abilities, second: Abilities) -> Models:
    """One model at two back ends, which use different names for this model."""
    models = Models({"alias": "fox"})
    models.offer(
        [
            Offer(name, Capabilities({f"{name}-fox": can}), {"fox": f"{name}-fox"})
            for name, can in (("one", first), ("two", second))
        ]
    )
    return models


def test_an_order_may_go_to_every_back_end_that_can_make_its_images() -> None:
    can_much = Abilities(max_images=4, max_references=3, masks=True)
    models = of_two(Abilities(), can_much)
    for model in ("fox", "alias"):
        for spec, where in (
            (GenerationSpec(model, "a fox"), ["one", "two"]),
            (GenerationSpec(model, "a fox", n=2), ["two"]),
            (GenerationSpec(model, "a fox", images=("a.png", "b.png")), ["two"]),
            (GenerationSpec(model, "a fox", images=("a.png",), mask="m.png"), ["two"]),
            (GenerationSpec(model, "a fox", n=5), []),
        ):
            assert list(models.routes(spec)) == where
    assert models.routes(GenerationSpec("fox", "a fox"))["two"] == Route("two", "two-fox", can_much)
    assert models.routes(GenerationSpec("of yesterday", "a fox")) == {}


def test_a_model_has_the_abilities_of_all_its_back_ends() -> None:
    first = Abilities(sizes=((64, 64),), max_images=4, parameters=("seed",), shutdown_date="2026-12-01")
    second = Abilities(sizes=((64, 64), (32, 32)), max_references=2, masks=True, parameters=("steps", "seed"))
    assert of_two(first, second).get("fox").abilities == Abilities(
        sizes=((64, 64), (32, 32)), max_images=4, max_references=2, masks=True, parameters=("seed", "steps")
    )
    assert of_two(first, first).get("fox").abilities.shutdown_date == "2026-12-01"


def test_openais_names_are_aliases_for_the_public_name_of_the_images_model() -> None:
    models = Models(None)
    can = Capabilities({"video": Abilities(), "image": Abilities()}, images_model="image")
    models.offer([Offer("one", can, {"film": "video", "still": "image"})])
    assert models.get("dall-e-3").alias_of == "still"


def test_an_unknown_model_may_exist_until_every_back_end_has_listed_its_models() -> None:
    models = Models({"dall-e-3": "hare"}, default="hare")
    known = Offer("one", CAN, {"ours": "ours"})
    models.offer([known, Offer("two", Capabilities(), None)])
    models.check()
    assert models.get("ours").id == "ours"
    for name in ("hare", "dall-e-3"):
        with pytest.raises(ModelsNotListed):
            models.get(name)
    with pytest.raises(ModelsNotListed):
        _ = models.default
    models.offer([known, Offer("two", Capabilities({"hare": Abilities()}), {"hare": "hare"})])
    assert (models.default.id, models.get("dall-e-3").alias_of) == ("hare", "hare")
    with pytest.raises(UnknownModel):
        models.get("fox")
