"""Orders: reads the JSON of a submit, and refuses orders that the service would refuse."""

from typing import Any

from sora_proxy.simulator.lifecycle import Order
from sora_proxy.simulator.refusals import invalid

MAX_PROMPT_LENGTH = 32_000  # characters
MAX_VARIANTS = 4
SIDES = (64, 2048)  # pixels


def order_of(body: Any) -> Order:
    """Return the order. Raises Refusal, which explains what is wrong with the order."""
    if not isinstance(body, dict):
        raise invalid("invalid_json", "The body must be a JSON object.")
    kind = body.get("type")
    if kind == "video_gen":
        raise invalid("unsupported_type", "Videos are not supported here; `type` must be image_gen.")
    if kind != "image_gen":
        raise invalid("invalid_type", "`type` must be image_gen.")
    if body.get("n_frames", 1) != 1:
        raise invalid("invalid_n_frames", "`n_frames` must be 1 for an image.")
    operation = body.get("operation", "simple_compose")
    upload_id = _upload_id(operation, body.get("inpaint_items") or [])
    width, height = (_whole(body, side, SIDES, "invalid_size") for side in ("width", "height"))
    n_variants = _whole(body, "n_variants", (1, MAX_VARIANTS), "invalid_n_variants")
    return Order(_prompt(body), n_variants, width, height, operation, upload_id)


def _prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise invalid("missing_prompt", "`prompt` must be a string that is not empty.")
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise invalid("prompt_too_long", f"`prompt` may have at most {MAX_PROMPT_LENGTH} characters.")
    return prompt


def _whole(body: dict[str, Any], name: str, bounds: tuple[int, int], code: str) -> int:
    value = body.get(name)
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(code, f"`{name}` must be a whole number from {low} to {high}.")
    return value


def _upload_id(operation: Any, items: Any) -> str | None:
    if operation not in ("simple_compose", "remix"):
        raise invalid("invalid_operation", "`operation` must be simple_compose or remix.")
    if not isinstance(items, list) or len(items) != (operation == "remix"):
        raise invalid("invalid_inpaint_items", "`inpaint_items` must contain one item for a remix and none otherwise.")
    if not items:
        return None
    item = items[0]
    upload_id = item.get("upload_media_id") if isinstance(item, dict) else None
    if not isinstance(upload_id, str) or item.get("type") != "image":
        raise invalid("invalid_inpaint_items", "The inpaint item must be an image with an `upload_media_id`.")
    return upload_id
