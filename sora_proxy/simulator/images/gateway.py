"""Gateway: reads orders as a gateway does, and passes on the refusals of the server behind it in the gateway's words.

Seen with LiteLLM 1.105.7: it forwards image files as `image[]` only, and keeps the status of the server behind it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from sora_proxy.simulator.images.orders import Order, order_of
from sora_proxy.simulator.images.profile import Profile
from sora_proxy.simulator.images.reading import Received
from sora_proxy.simulator.images.refusals import Reason, Refused


def order_by_way_of(received: Received, profile: Profile, all_profiles: Mapping[str, Profile]) -> Order:
    """Read an order as the gateway does, and then as the server behind the gateway does. Raises Refused."""
    order = order_of(received, profile)
    if order.model not in profile.behind:
        return order
    name = profile.behind[order.model]
    if name is None:
        raise _refused(500, "APIConnectionError: APIConnectionError: OpenAIException - Connection error.", order.model)
    behind = all_profiles[name]
    files = [replace(file, field=file.field if file.field == "mask" else "image[]") for file in received.files]
    model = order.model if order.model in behind.models else behind.models[0]
    sent_on = replace(received, files=files, fields=received.fields | {"model": model})
    try:
        return replace(order_of(sent_on, behind), model=order.model)
    except Refused as refused:
        sent = behind.errors.worded(refused, in_form=received.is_form)
        raise _refused(sent.status, _message_of(behind.errors.form(sent), sent.status), order.model) from refused


def _refused(status: int, message: str, model: str) -> Refused:
    kind = "internal_server_error" if status >= 500 else "invalid_request_error"
    group = f"LiteLLM: model group '{model}' failed with the error above. No fallback was attempted."
    changes = {"status": status, "message": "{value}", "kind": kind}
    return Refused(Reason.failed, value=f"litellm.{message}\n\n{group}", changes=changes)


def _message_of(body: Any, status: int) -> str:
    kind = "InternalServerError" if status >= 500 else "BadRequestError"
    error = body.get("error") if isinstance(body, dict) else None
    whole = f"Error code: {status} - {orjson.dumps(body).decode()}"
    message = error.get("message") if isinstance(error, dict) else whole
    return f"{kind}: OpenAIException - {message}"
