"""Checks that a model supports an order: the number of images and of reference images, and the mask."""

from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.ordering.image_input import Inputs
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.model_names import Model

MAX_REFERENCES = 16  # the limit of OpenAI's API; it applies to all models


def check_possible(model: Model, spec: GenerationSpec, inputs: Inputs) -> None:
    """Check that one of the model's back ends supports an order. Raises ClientError, which names the parameter."""
    can, references, mask = model.abilities.for_order(spec), inputs.references, inputs.mask
    if spec.n > can.max_images:
        raise ClientError(f"'n' can be at most {can.max_images} for {model.id}.", param="n")
    most = min(can.max_references, MAX_REFERENCES)
    if len(references) > most:
        message = f"{model.id} accepts {'at most ' if most else ''}{_counted(most)}, but {len(references)} were sent."
        raise ClientError(message, code="invalid_image", param=references[0].param)
    if mask and not references:
        raise ClientError("A mask needs a reference image.", param=mask.param)
    if mask and not can.masks:
        raise ClientError(f"{model.id} does not accept a mask.", param=mask.param)
    if not any(route.abilities.can_make(spec) for route in model.routes):
        wanted = f"n={spec.n} with {_counted(len(references))}{' and a mask' if mask else ''}"
        message = f"No back end that serves {model.id} accepts this combination in one order: {wanted}."
        raise ClientError(message, param="n" if spec.n > 1 else references[0].param)


def _counted(references: int) -> str:
    return f"{references or 'no'} reference image{'s' if references > 1 else ''}"
