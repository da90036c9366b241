"""Models: which of those that a server lists make images, and what each can do."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sora_proxy.upstream import Capabilities
from sora_proxy.upstream.openai_images.profiles import PROFILES, Profile

# OpenAI's list, and those of gateways in front of it, hold models of all kinds, most of which make no images.
IMAGES = re.compile(
    r"(^|[/._-])(image|dall-e|grok-imagine|flux|seedream|cogview|sd|sdxl|stable-diffusion|kolors|nano-banana)",
    re.IGNORECASE,
)
MIXED = [PROFILES[name] for name in ("openai", "litellm", "xai", "siliconflow", "chat", "gemini")]
MODEL_ID = re.compile(r"[\w./:@+-]{1,200}", re.ASCII)
KINDS = ("image", "image_generation")


def known_capabilities(profile: Profile) -> Capabilities:
    """What a server of a profile can do, without its list of models."""
    return Capabilities(others=profile.abilities, families=profile.models)


def capabilities_of(rows: Sequence[Any], profile: Profile) -> Capabilities:
    """What a server can do that lists these models."""
    known, models = known_capabilities(profile), {}
    for row in rows:
        model = row.get("id") if isinstance(row, dict) else None
        if isinstance(model, str) and MODEL_ID.fullmatch(model) and _makes_images(model, row, profile):
            models[model] = replace(known.of(model), shutdown_date=_date(row.get("shutdown_date")))
    return replace(known, models=models)


def _makes_images(model: str, row: dict[str, Any], profile: Profile) -> bool:
    architecture = row.get("architecture")  # of OpenRouter
    if isinstance(architecture, dict) and isinstance(made := architecture.get("output_modalities"), list):
        return "image" in made
    kind = row.get("mode") or row.get("type") or row.get("object")
    if kind in KINDS:
        return True
    return profile not in MIXED or IMAGES.search(model) is not None


def _date(value: Any) -> str | None:
    """A day, from a text or from seconds since 1970."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC).date().isoformat()
        return dt.date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
