"""Models: the names that clients may use. Those of the back end come first, then aliases of them.

Many programs offer only names that they know, so OpenAI's usual names work here too. Answers repeat the name that the
client used.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sora_proxy.errors import ConfigurationError, UnknownModel
from sora_proxy.upstream import Capabilities

GPT_IMAGES = ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "chatgpt-image-latest")
OPENAI_NAMES = (*GPT_IMAGES, "dall-e-2", "dall-e-3", "gpt-image-*")


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

    def __init__(self, capabilities: Capabilities, aliases: Mapping[str, str] | None) -> None:
        """An alias may contain `*`: it is then accepted, but not listed. None stands for OpenAI's names.

        Raises ConfigurationError for an alias of an unknown model.
        """
        own = capabilities.models
        if aliases is None:
            aliases = dict.fromkeys(OPENAI_NAMES, capabilities.images_model or own[0])
        if faults := [f"MODEL_ALIASES: {to!r} is none of {', '.join(own)}" for to in aliases.values() if to not in own]:
            raise ConfigurationError(faults)
        self._capabilities = capabilities
        self._aliases = {name: to for name, to in aliases.items() if name not in own}
        names = [*own, *(name for name in self._aliases if "*" not in name)]
        self.listed = [Model(name, capabilities, self._aliases.get(name)) for name in names]
        self._by_name = {model.id: model for model in self.listed}

    @property
    def default(self) -> Model:
        """The model of requests that do not name one."""
        return self.listed[0]

    def get(self, name: str) -> Model:
        """The model of a name. Raises UnknownModel."""
        if model := self._by_name.get(name):
            return model
        for pattern, to in self._aliases.items():
            if fnmatchcase(name, pattern):
                return Model(name, self._capabilities, to)
        names = ", ".join(model.id for model in self.listed[:4])
        raise UnknownModel(f"The model {name[:100]!r} does not exist. There are {names} and those in /v1/models.")


def _distance(size: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    shape = (size[0] / size[1]) / (other[0] / other[1])
    pixels = (size[0] * size[1]) / (other[0] * other[1])
    return round(abs(math.log(shape)), 2), abs(math.log(pixels))
