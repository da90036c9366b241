"""The routes for models. The answers come from memory, because clients list the models whenever they start, with a
short timeout."""

from typing import Any

from aiohttp import web

from sora_proxy.api.context import MODELS
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.reference.answer_schemas import ModelAnswer, ModelList
from sora_proxy.api.reference.described import Description, described
from sora_proxy.upstream.model_names import Model

CREATED = 1742774400  # 2025-03-24, the day before the first of these models was released


@described(Description(answer=ModelList))
async def list_models(request: web.Request) -> web.Response:
    """List the models that an order can name."""
    return json_response({"object": "list", "data": [_model(model) for model in request.app[MODELS].listed]})


@described(Description(answer=ModelAnswer))
async def retrieve_model(request: web.Request) -> web.Response:
    """Retrieve one model with its capabilities."""
    return json_response(_model(request.app[MODELS].get(request.match_info["model"])))


def _model(model: Model) -> dict[str, Any]:
    """OpenAI's model object with additional fields."""
    can = model.abilities
    fields: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": CREATED,
        "owned_by": "sora_proxy",
        "capabilities": {
            "image_generation": True,
            "image_edits": can.max_references > 0,
            "max_images": can.max_images,
            "max_reference_images": can.max_references,
            "masks": can.masks,
            "parameters": list(can.parameters),
            "edit_parameters": list((can.edits or can).parameters if can.max_references else ()),
            "sizes": [f"{width}x{height}" for width, height in can.sizes],
        },
    }
    if model.alias_of:
        fields["alias_of"] = model.alias_of
    if can.shutdown_date:
        fields["shutdown_date"] = can.shutdown_date
    return fields
