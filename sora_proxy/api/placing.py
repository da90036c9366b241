"""Starts a new order, or finds the order that a request repeats. All routes that make images use this module."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from sora_proxy.api.context import IDEMPOTENCY, MODELS, READERS, SUPERVISOR, WEBHOOKS
from sora_proxy.api.http.context import CLIENT, SETTINGS, THREADS, VIA
from sora_proxy.api.http.origin import public_origin
from sora_proxy.api.http.refusals import ClientError
from sora_proxy.api.lookup import name_backend, name_order
from sora_proxy.api.ordering.image_input import Inputs, discard_inputs, store_inputs
from sora_proxy.api.ordering.possible import check_possible
from sora_proxy.blocking import Work
from sora_proxy.errors import SoraProxyError
from sora_proxy.foreign.public_http import AddressRefused
from sora_proxy.generation import Generation
from sora_proxy.orders.idempotency import Claim, Repeated, order_digest
from sora_proxy.orders.store import InSameCommit
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream.model_names import Model

MAX_KEY_LENGTH = 255
RETRY_COUNT = re.compile(r"[1-9]\d{0,3}", re.ASCII)
MAX_DIGESTED_ON_LOOP = 2**16  # the total length of the images, in characters, above which they are digested on a thread


def model_for(request: web.Request, name: str | None) -> Model:
    """The model of this name, or the default model if there is no name. Raises the errors of `Models.get`."""
    models = request.app[MODELS]
    return models.get(name) if name else models.default


async def place_order(request: web.Request, spec: GenerationSpec, inputs: Inputs, *also: InSameCommit) -> Generation:
    """Place an order. Returns the order's generation. If the request repeats an earlier one, this is the earlier
    generation.

    Images are stored only for a new order; `also` are functions that take part in the commit of the new order.

    Raises ClientError, UnknownModel, ModelsNotListed and the errors of `Supervisor.start`.
    """
    name_backend(request)
    spec = inputs.named(spec, [""] * len(inputs.all))  # the number of images decides which back ends support the order
    check_possible(request.app[MODELS].get(spec.model), spec, inputs)
    idempotency = request.app[IDEMPOTENCY]
    _cancels_if_abandoned(request)  # refuses an unknown value of the header before anything is ordered
    spec = replace(_with_webhook(request, spec), via=request[VIA])
    claim = await _claim(request, spec, inputs)
    if idempotency.follows_refusal(claim):
        claim = replace(claim, counted=False)
    async with idempotency.turn(claim):
        earlier = await idempotency.earlier(claim)
        if earlier is None:
            try:
                return await _start(request, spec, inputs, [*also, idempotency.noting(claim)])
            except Repeated as repeated:
                earlier = repeated.generation_id
            except SoraProxyError:
                idempotency.refused(claim)
                raise
    generation = await request.app[SUPERVISOR].find(earlier, claim.client)
    if generation is None:
        message = "The order with this Idempotency-Key was deleted. Use another key to order again."
        raise ClientError(message, code="not_found", param="Idempotency-Key")
    return generation


def waiting_for(request: web.Request, generation: Generation) -> AbstractContextManager[None]:
    """A context for answering an order: the headers contain the order's id, and a disconnect may cancel the order."""
    name_order(request, generation)
    return request.app[READERS].reading(generation, or_cancel=_cancels_if_abandoned(request))


def _cancels_if_abandoned(request: web.Request) -> bool:
    action = request.headers.get("x-on-disconnect", request.app[SETTINGS].current.on_abandon).lower()
    if action not in ("keep", "cancel"):
        raise ClientError("X-On-Disconnect must be 'keep' or 'cancel'.", param="X-On-Disconnect")
    return action == "cancel"


def _with_webhook(request: web.Request, spec: GenerationSpec) -> GenerationSpec:
    """The spec with the webhook that the order's metadata contains, if any. Raises ClientError."""
    address = spec.metadata.get("webhook_url")
    if address is None:
        return spec
    try:
        request.app[WEBHOOKS].check(address)
    except AddressRefused as error:
        message = f"The webhook can't be used: {error}."
        raise ClientError(message, code="webhook_refused", param="metadata.webhook_url") from error
    return replace(spec, webhook_url=address, origin=public_origin(request))


async def _start(request: web.Request, spec: GenerationSpec, inputs: Inputs, also: list[InSameCommit]) -> Generation:
    """Store the images of a new order and start it."""
    supervisor = request.app[SUPERVISOR]
    supervisor.admit(spec, request[CLIENT])
    names = await store_inputs(request, inputs)
    try:
        return await supervisor.start(inputs.named(spec, names), request[CLIENT], *also)
    except (SoraProxyError, Repeated):
        await discard_inputs(request, names)
        raise


async def _claim(request: web.Request, spec: GenerationSpec, inputs: Inputs) -> Claim:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        message = f"An Idempotency-Key must have 1 to {MAX_KEY_LENGTH} printable characters."
        raise ClientError(message, param="Idempotency-Key")
    images, mask = [each.source for each in inputs.references], inputs.mask.source if inputs.mask else None
    if _is_large([each.source for each in inputs.all]):
        digest = await request.app[THREADS].run(Work.media, order_digest, spec, images, mask)
    else:
        digest = order_digest(spec, images, mask)
    counted = RETRY_COUNT.fullmatch(request.headers.get("x-stainless-retry-count", "")) is not None
    return Claim(request[CLIENT], digest, key, counted)


def _is_large(sources: Sequence[str | Path]) -> bool:
    """Whether hashing these images takes long or reads files."""
    texts = [source for source in sources if isinstance(source, str)]
    return len(texts) < len(sources) or sum(map(len, texts)) > MAX_DIGESTED_ON_LOOP
