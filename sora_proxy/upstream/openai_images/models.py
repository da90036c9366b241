"""Models: finds the image models in a server's list, and their abilities."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sora_proxy.upstream import Capabilities
from sora_proxy.upstream.openai_images.profiles import PROFILES, Profile

# Lists contain models of all kinds, most of which make no images. The lists of `MIXED` profiles may contain no image
# model at all.
IMAGES = re.compile(
    r"(^|[/._-])(image|dall-e|grok-imagine|flux|seedream|cogview|sd|sdxl|stable-?diffusion|kolors|nano-banana)",
    re.IGNORECASE,
)
MIXED = [PROFILES[name] for name in ("openai", "litellm", "xai", "siliconflow", "chat", "gemini")]
MODEL_ID = re.compile(r"[\w./:@+-]{1,200}", re.ASCII)
KINDS = ("image", "image_generation")


def capabilities_of(rows: Sequence[Any], profile: Profile) -> Capabilities:
    """The capabilities of a server that lists these models."""
    listed = {row["id"]: row for row in rows if isinstance(row, dict) and _is_model_id(row.get("id"))}
    made = {model: row for model, row in listed.items() if _makes_images(model, row)}
    if not made and profile not in MIXED:  # names of self-hosted models show nothing
        made = listed
    known = profile.capabilities
    dates = {model: _date(row.get("shutdown_date")) for model, row in made.items()}
    return replace(known, models={model: replace(known.of(model), shutdown_date=dates[model]) for model in made})


def _is_model_id(value: Any) -> bool:
    return isinstance(value, str) and MODEL_ID.fullmatch(value) is not None


def _makes_images(model: str, row: dict[str, Any]) -> bool:
    architecture = row.get("architecture")  # from OpenRouter
    if isinstance(architecture, dict) and isinstance(made := architecture.get("output_modalities"), list):
        return "image" in made
    kind = row.get("mode") or row.get("type") or row.get("object")
    return kind in KINDS or IMAGES.search(model) is not None


def _date(value: Any) -> str | None:
    """A day, from a string or from seconds since 1970."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC).date().isoformat()
        return dt.date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
