"""The models, from memory: clients list them at every start and wait only seconds."""

from dataclasses import dataclass

from aiohttp import web

from sora_proxy.api.answers import json_response
from sora_proxy.errors import ClientError

CREATED = 1742774400  # 2025-03-24, the day before the first of these could be had anywhere


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    object: str = "model"
    created: int = CREATED
    owned_by: str = "sora_proxy"


# The documented name first: clients offer the first one.
MODELS = {name: Model(name) for name in ("sora-1.0", "sora-image")}


def check_model(name: str) -> None:
    """Raises ClientError for a model that we do not have."""
    if name not in MODELS:
        known = ", ".join(MODELS)
        message = f"The model {name[:100]!r} does not exist. There are: {known}."
        raise ClientError(message, status=404, code="model_not_found", param="model")


async def list_models(_request: web.Request) -> web.Response:
    return json_response({"object": "list", "data": list(MODELS.values())})


async def retrieve_model(request: web.Request) -> web.Response:
    name = request.match_info["model"]
    check_model(name)
    return json_response(MODELS[name])
