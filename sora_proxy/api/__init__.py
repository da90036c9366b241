"""How do clients reach the server? The routes, the access to them, and the handling of every request."""

from aiohttp import web

from sora_proxy.api import generations, health, models, page, stored_images
from sora_proxy.api.admin import FOR_OPERATORS, LOGIN, add_backend_header
from sora_proxy.api.chat import routes as chat
from sora_proxy.api.chat import stored as stored_completions
from sora_proxy.api.http.arrival import continue_later
from sora_proxy.api.http.cors import cors
from sora_proxy.api.http.middleware import (
    OPEN_HANDLERS,
    OPERATOR_HANDLERS,
    access,
    add_headers,
    errors,
    request_context,
)
from sora_proxy.api.images import routes as images
from sora_proxy.api.reference import routes as reference
from sora_proxy.api.reference.routes import API_DOCUMENT, ApiDocument
from sora_proxy.api.responses import routes as responses

# The outermost middleware comes first.
MIDDLEWARES = (request_context, errors, cors, access)

OPEN = [
    web.get("/", page.page),
    web.get("/page/{name}", page.file),
    web.get("/health", health.health),
    web.get("/health/live", health.live),
    web.get("/health/ready", health.ready),
    web.get("/images/{name}", stored_images.image),
    web.get("/openapi.json", reference.openapi),
    web.get("/docs", reference.docs),
    LOGIN,
]
FOR_CLIENTS = [
    web.post("/v1/chat/completions", chat.create),
    web.get("/v1/chat/completions", stored_completions.list_completions),
    web.get("/v1/chat/completions/{id}", stored_completions.retrieve),
    web.post("/v1/chat/completions/{id}", stored_completions.update),
    web.delete("/v1/chat/completions/{id}", stored_completions.delete),
    web.get("/v1/chat/completions/{id}/messages", stored_completions.list_messages),
    web.get("/v1/generation/{id}", stored_completions.retrieve),
    web.delete("/v1/generation/{id}", generations.cancel),
    web.post("/v1/generation/{id}/cancel", generations.cancel),
    web.get("/v1/generation/{id}/events", generations.events),
    web.get("/v1/generations", generations.list_generations),
    web.post("/v1/images/generations", images.generate),
    web.post("/v1/images/edits", images.edit),
    web.post("/v1/images/variations", images.vary),
    web.post("/v1/responses", responses.create),
    web.get("/v1/responses/{id}", responses.retrieve),
    web.delete("/v1/responses/{id}", responses.delete),
    web.post("/v1/responses/{id}/cancel", responses.cancel),
    web.get("/v1/responses/{id}/input_items", responses.list_input_items),
    web.get("/v1/models", models.list_models),
    web.get("/v1/models/{model:.+}", models.retrieve_model),
]
# The same routes under the paths that other clients use: those of the legacy SDK, which contain the name of an engine,
# and those of Azure.
ALIASES = [
    web.post("/v1/engines/{model}/chat/completions", chat.create),
    web.get("/v1/engines/{model}/chat/completions/{id}", stored_completions.retrieve),
    web.post("/openai/deployments/{model}/chat/completions", chat.create),
    *(web.route(route.method, f"/openai{route.path}", route.handler) for route in FOR_CLIENTS),
]


def add_routes(app: web.Application) -> None:
    """Add the API to an application. A route needs a client key unless it is in `OPEN` or `FOR_OPERATORS`."""
    for route in [*OPEN, *FOR_CLIENTS, *ALIASES, *FOR_OPERATORS]:
        options = {**route.kwargs, "expect_handler": continue_later}
        web.RouteDef(route.method, route.path, route.handler, options).register(app.router)
    app[OPEN_HANDLERS] = open_handlers = frozenset(route.handler for route in OPEN)
    app[API_DOCUMENT] = ApiDocument([*FOR_CLIENTS, *OPEN, *FOR_OPERATORS], open_handlers)
    app[OPERATOR_HANDLERS] = frozenset(route.handler for route in FOR_OPERATORS)
    app.on_response_prepare.extend((add_headers, add_backend_header))
