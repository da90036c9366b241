"""Routes: adds the routes that a profile has, and answers requests for models and files."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sora_proxy.simulator.images.answers import answer_images
from sora_proxy.simulator.images.catalogue import PROFILES
from sora_proxy.simulator.images.chat import answer_chat, chat_order
from sora_proxy.simulator.images.gateway import order_by_way_of
from sora_proxy.simulator.images.gemini import answer_content, content_order, models_json
from sora_proxy.simulator.images.orders import Order, order_of
from sora_proxy.simulator.images.profile import Edits, Profile, Wire
from sora_proxy.simulator.images.reading import Received
from sora_proxy.simulator.images.refusals import Reason, Refused
from sora_proxy.simulator.images.state import IMAGES
from sora_proxy.simulator.images.work import check_access, manner_for, received_of, spoiled, take
from sora_proxy.simulator.json_answers import json_response

ENDPOINTS = frozenset({"generations", "edits", "variations", "chat", "content", "models", "file"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application, profile: Profile) -> None:
    """Add the routes of a profile."""
    base, add = profile.base, app.router.add_route
    if profile.answers.model_list is not None:
        add("GET", f"{base}/models", models)
    for path, page in profile.pages.items():
        add("GET", path, _page(page))
    if profile.wire is Wire.images:
        _add_image_routes(app, profile)
    elif profile.wire is Wire.gemini:
        add("POST", f"{base}/models/{{model}}:generateContent", _handler("content"))
    else:
        add("POST", f"{base}/chat/completions", _handler("chat"))
    add("GET", profile.answers.addresses, file)


def _add_image_routes(app: web.Application, profile: Profile) -> None:
    base = f"{profile.base}/deployments/{{model}}" if profile.deployment_in_path else profile.base
    names = ["generations"]
    names += ["edits"] if profile.files.edits is not Edits.none else []
    names += ["variations"] if profile.files.variations else []
    for name in names:
        app.router.add_route("POST", f"{base}/images/{name}", _handler(name))


def _handler(endpoint: str) -> Handler:
    if endpoint == "chat":
        return functools.partial(take, endpoint=endpoint, read=chat_order, answer=answer_chat)
    if endpoint == "content":
        return functools.partial(take, endpoint=endpoint, read=content_order, answer=answer_content)
    return functools.partial(take, endpoint=endpoint, read=_image_order, answer=answer_images)


def _image_order(received: Received, profile: Profile) -> Order:
    return order_by_way_of(received, profile, PROFILES) if profile.behind else order_of(received, profile)


def _page(content: Any) -> Handler:
    async def page(_: web.Request) -> web.StreamResponse:
        return json_response(content)

    return page


async def models(request: web.Request) -> web.StreamResponse:
    """List the models."""
    simulator = request.app[IMAGES]
    received = received_of(request, "models")
    simulator.ledger.arrived(received)
    check_access(request, received.key)
    instead = spoiled(request, manner_for(request, received))
    if instead is not None:
        return instead
    profile = simulator.profile
    if profile.wire is Wire.gemini:
        return json_response(models_json(profile))
    others = () if "output_modalities" in request.query else profile.other_models
    rows = [{**profile.answers.model_row, "id": name} for name in (*profile.models, *others)]
    return json_response({**(profile.answers.model_list or {}), "data": rows})


async def file(request: web.Request) -> web.StreamResponse:
    """Send an image to which an earlier answer links."""
    simulator = request.app[IMAGES]
    received = received_of(request, "file")
    simulator.ledger.arrived(received)
    stored = simulator.files.get(request.match_info["name"])
    if stored is None:
        raise Refused(Reason.no_route, value=f"GET {request.path}")
    instead = spoiled(request, manner_for(request, received))
    if instead is not None:
        return instead
    accepted = simulator.options.key
    if stored.guarded and (received.key is None or accepted not in ("", received.key)):
        return web.Response(status=403, text="This address needs the key.")
    if stored.failures:
        stored.failures -= 1
        return web.Response(status=500, text="This image can't be read now.")
    return web.Response(body=stored.content, content_type=stored.content_type)
