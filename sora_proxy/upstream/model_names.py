"""Models: the names that clients may use, and which back ends serve each. Those of back ends come first, then aliases.

Many programs offer only names that they know, so OpenAI's usual names work here too. Answers repeat the name that the
client used.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sora_proxy.errors import ConfigurationError, UnknownModel
from sora_proxy.upstream import Capabilities

GPT_IMAGES = ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "chatgpt-image-latest")
OPENAI_NAMES = (*GPT_IMAGES, "dall-e-2", "dall-e-3", "gpt-image-*")


@dataclass(frozen=True, slots=True)
class Offer:
    """The models that a back end serves: its own names by those that clients use."""

    backend: str
    capabilities: Capabilities
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """`alias_of` is the model that does the work, where this one is only another name for it."""

    id: str
    capabilities: Capabilities
    alias_of: str | None = None

    def size_for(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """The size nearest to the requested one: first by its shape, then by its number of pixels."""
        sizes = self.capabilities.sizes
        return min(sizes, key=lambda size: _distance(size, wanted)) if wanted else sizes[0]


class Models:
    """Every model, from memory: no back end is contacted."""

    def __init__(self, offers: Sequence[Offer], aliases: Mapping[str, str] | None, default: str | None = None) -> None:
        """`offers` are in the order in which their back ends are preferred. An alias may contain `*`: it is then
        accepted, but not listed. None stands for OpenAI's names.

        Raises ConfigurationError for an alias of an unknown model, or an unknown default.
        """
        self._offers = offers
        own = {name: offer.capabilities for offer in reversed(offers) for name in offer.names}
        names = list(dict.fromkeys(name for offer in offers for name in offer.names))
        if default is not None and default not in own:
            raise ConfigurationError([f"DEFAULT_MODEL: {default!r} is none of {', '.join(names)}"])
        if aliases is None:
            aliases = dict.fromkeys(OPENAI_NAMES, default or offers[0].capabilities.images_model or names[0])
        if unknown := [to for to in aliases.values() if to not in own]:
            raise ConfigurationError([f"MODEL_ALIASES: {to!r} is none of {', '.join(names)}" for to in unknown])
        self._aliases = {name: to for name, to in aliases.items() if name not in own}
        listed = {name: Model(name, own[name]) for name in names}
        listed |= {name: Model(name, own[to], to) for name, to in self._aliases.items() if "*" not in name}
        self._by_name = listed
        self._default = default or names[0]

    @property
    def listed(self) -> Sequence[Model]:
        """The models that clients are shown."""
        return list(self._by_name.values())

    @property
    def default(self) -> Model:
        """The model of requests that do not name one."""
        return self._by_name[self._default]

    def get(self, name: str) -> Model:
        """The model of a name. Raises UnknownModel."""
        if model := self._by_name.get(name):
            return model
        for pattern, to in self._aliases.items():
            if fnmatchcase(name, pattern):
                return Model(name, self._by_name[to].capabilities, to)
        names = ", ".join(list(self._by_name)[:4])
        raise UnknownModel(f"The model {name[:100]!r} does not exist. There are {names} and those in /v1/models.")

    def routes(self, name: str) -> dict[str, str]:
        """The back ends that serve a model, the preferred one first, and its own name at each. None of an unknown one:
        an order may be older than the configuration."""
        try:
            model = self.get(name)
        except UnknownModel:
            return {}
        wanted = model.alias_of or model.id
        return {offer.backend: offer.names[wanted] for offer in self._offers if wanted in offer.names}


def _distance(size: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    shape = (size[0] / size[1]) / (other[0] / other[1])
    pixels = (size[0] * size[1]) / (other[0] * other[1])
    return round(abs(math.log(shape)), 2), abs(math.log(pixels))
