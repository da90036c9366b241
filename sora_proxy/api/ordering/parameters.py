"""Parameters: the fields that clients may set in addition to prompt and size, in every API that makes images.

The meaning of a value depends on the model; a model that does not take a parameter ignores it. In SDKs, parameters
that OpenAI does not define belong in `extra_body`.
"""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from sora_proxy.api.ordering.schemas import MAX_PROMPT_LENGTH, Lenient
from sora_proxy.spec import PARAMETERS

SEEDS = {"ge": -(2**63), "le": 2**63 - 1}  # the range of integers in JSON parsers
Background = Literal["transparent", "opaque"]
UNSET = BeforeValidator(lambda value: None if value in ("auto", "") else value)


def _not_an_object(value: Any) -> Any:
    """Replace an object by None: in OpenAI's newer APIs, `moderation` can be an object, whose options are for texts
    only."""
    return None if isinstance(value, dict) else value


class Parameters(Lenient):
    """The fields are those of `spec.PARAMETERS`. `auto` and null leave the choice to the model."""

    seed: Annotated[
        int | None,
        Field(description="The seed of the random numbers, which makes an image reproducible.", **SEEDS),
        UNSET,
    ] = None
    steps: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            validation_alias=AliasChoices("steps", "num_inference_steps"),
            description="The number of sampling steps; also accepted as `num_inference_steps`.",
        ),
        UNSET,
    ] = None
    guidance_scale: Annotated[
        float | None,
        Field(
            ge=0,
            le=100,
            validation_alias=AliasChoices("guidance_scale", "cfg_scale"),
            description="How closely the image follows the prompt; also accepted as `cfg_scale`.",
        ),
        UNSET,
    ] = None
    strength: Annotated[
        float | None,
        Field(ge=0, le=1, description="How much the image may differ from the reference image, from 0 to 1."),
        UNSET,
    ] = None
    negative_prompt: Annotated[
        str | None, Field(max_length=MAX_PROMPT_LENGTH, description="What the image should not show.")
    ] = None
    style: Annotated[
        str | None, Field(max_length=200, description="The style of the image, such as `vivid` or `natural`."), UNSET
    ] = None
    quality: Annotated[Literal["low", "medium", "high", "xhigh", "max", "standard", "hd"] | None, UNSET] = None
    background: Annotated[Background | None, UNSET] = None
    moderation: Annotated[Literal["low"] | None, UNSET, BeforeValidator(_not_an_object)] = None
    input_fidelity: Annotated[
        Literal["low", "high"] | None, Field(description="How closely the image follows the reference images."), UNSET
    ] = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are set, by the names in `spec.PARAMETERS`."""
        values = {name: getattr(self, name) for name in PARAMETERS}
        return {name: value for name, value in values.items() if value not in (None, "")}
