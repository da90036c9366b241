"""The models, from memory: clients list them at every start and wait only seconds."""

from typing import Any

from aiohttp import web

from sora_proxy.api.context import MODELS
from sora_proxy.api.http.answers import json_response
from sora_proxy.api.reference.answer_schemas import ModelAnswer, ModelList
from sora_proxy.api.reference.described import Description, described
from sora_proxy.upstream.models import Model

CREATED = 1742774400  # 2025-03-24, the day before the first of these could be had anywhere


@described(Description(answer=ModelList))
async def list_models(request: web.Request) -> web.Response:
    """The names that an order may give for its model."""
    return json_response({"object": "list", "data": [_model(model) for model in request.app[MODELS].listed]})


@described(Description(answer=ModelAnswer))
async def retrieve_model(request: web.Request) -> web.Response:
    """One of them, and what it can do."""
    return json_response(_model(request.app[MODELS].get(request.match_info["model"])))


def _model(model: Model) -> dict[str, Any]:
    """OpenAI's model object, and what else can be told."""
    can = model.capabilities
    told: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": CREATED,
        "owned_by": "sora_proxy",
        "capabilities": {
            "image_generation": True,
            "image_edits": can.most_references > 0,
            "max_images": can.most_pictures,
            "max_reference_images": can.most_references,
            "sizes": [f"{width}x{height}" for width, height in can.sizes],
        },
    }
    if model.alias_of:
        told["alias_of"] = model.alias_of
    if can.shutdown_date:
        told["shutdown_date"] = can.shutdown_date
    return told
