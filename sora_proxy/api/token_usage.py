"""The token usage of a generation: what the back end counted, or else a count of words and images."""

from dataclasses import dataclass
from typing import Any

from sora_proxy.api.wording import token_counts
from sora_proxy.foreign.bounded_json import as_object
from sora_proxy.generation import Generation


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Input and output tokens. `more` contains the other figures that the back end reports, such as the cost, under
    the back end's names."""

    text_tokens: int
    image_tokens: int
    output_tokens: int
    more: dict[str, Any]

    @property
    def input_tokens(self) -> int:
        return self.text_tokens + self.image_tokens

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def token_usage_of(generation: Generation) -> TokenUsage:
    """The token usage of a generation. If the back end reports none, each word and each image counts as one token."""
    usage = dict(generation.state.usage or {})
    taken, made = (usage.pop(name, None) for name in ("input_tokens", "output_tokens"))
    usage.pop("total_tokens", None)
    details = usage.pop("input_tokens_details", None)
    if not isinstance(taken, int) or not isinstance(made, int):
        words, images = token_counts(generation)
        return TokenUsage(words, len(generation.spec.images), images, usage)
    of_images = as_object(details).get("image_tokens", 0)
    of_images = min(of_images, taken) if isinstance(of_images, int) else 0
    return TokenUsage(taken - of_images, of_images, made, usage)
