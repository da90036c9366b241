"""Models: the names of models that clients may use, and the back ends that serve them.

Many programs offer only names that they know, so OpenAI's usual names are aliases here. Answers repeat the name that
the client used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sora_proxy.errors import ConfigurationError, ModelsNotListed, NoUpstreamKey, SoraProxyError, UnknownModel
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import Abilities, Capabilities, any_of

GPT_IMAGES = ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "chatgpt-image-latest")
OPENAI_NAMES = (*GPT_IMAGES, "dall-e-2", "dall-e-3", "gpt-image-*")


@dataclass(frozen=True, slots=True)
class Offer:
    """The models of a back end. `names` maps the names that clients use to the back end's own names; None: the back end
    has not listed its models."""

    backend: str
    capabilities: Capabilities
    names: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Route:
    """A model at one back end, with its name and its abilities there."""

    backend: str
    model: str
    abilities: Abilities


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clients can order. `routes` are in order of preference.

    `alias_of` is the name of the real model, if this one is an alias.
    """

    id: str
    routes: tuple[Route, ...]
    alias_of: str | None = None

    @property
    def abilities(self) -> Abilities:
        """The combined abilities of the model's back ends: what at least one of them can do."""
        return any_of([route.abilities for route in self.routes])

    def size_for(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """The size that the preferred back end uses for a requested size."""
        return self.routes[0].abilities.size_for(wanted)


class Models:
    """All models. They are looked up in memory, without calls to back ends.

    An alias that contains `*` is accepted, but not listed. If `aliases` is None, OpenAI's names are the aliases.
    """

    def __init__(self, aliases: Mapping[str, str] | None, default: str | None = None) -> None:
        self._aliases = aliases
        self._default = default
        # All the mutable state: the models by name, the targets of aliases, whether the models of any back end are
        # still unknown, and the reasons why back ends are not answering, by back end.
        self._by_name: dict[str, Model] = {}
        self._targets: dict[str, str] = {}
        self._incomplete = False
        self._outages: dict[str, str] = {}

    def explain(self, backend: str, why: str | None) -> None:
        """Note why a back end is not answering. `why` is None if the back end is answering."""
        self._outages.pop(backend, None)
        if why is not None:
            self._outages[backend] = why

    def offer(self, offers: Sequence[Offer]) -> None:
        """Set the models of the back ends. The back ends are in order of preference."""
        self._incomplete = any(offer.names is None for offer in offers)
        own = dict(_own_models(offers))
        aliases = self._aliases
        if aliases is None:
            aliases = dict.fromkeys(OPENAI_NAMES, self._default or _images_model(offers))
        self._targets = {name: to for name, to in aliases.items() if name not in own and to in own}
        listed = {name: to for name, to in self._targets.items() if "*" not in name}
        self._by_name = own | {name: Model(name, own[to].routes, to) for name, to in listed.items()}

    def check(self) -> None:
        """Check the configured default model and aliases. Raises ConfigurationError for an unknown default, and for an
        alias for an unknown model. Accepts every name while the models of a back end are unknown, because the name may
        turn out to be valid."""
        own = [name for name, model in self._by_name.items() if model.alias_of is None]
        wanted = [("DEFAULT_MODEL", self._default)] if self._default else []
        wanted += [("MODEL_ALIASES", to) for to in (self._aliases or {}).values()]
        unknown = [(option, name) for option, name in wanted if name not in own]
        if unknown and not self._incomplete:
            raise ConfigurationError(
                [f"{option}: {name!r} is not one of the models {', '.join(own)}" for option, name in unknown]
            )

    @property
    def listed(self) -> Sequence[Model]:
        """The models that clients can list, including aliases."""
        return list(self._by_name.values())

    @property
    def default(self) -> Model:
        """The model for requests that do not name one. Raises the same errors as `get`."""
        if self._default is not None:
            return self.get(self._default)
        if first := next(iter(self._by_name.values()), None):
            return first
        raise self._unknown("No model is available.")

    def check_listed(self) -> None:
        """Check that there is a model. Raises ModelsNotListed, or NoUpstreamKey if no back end is in use."""
        if not self._by_name:
            raise self._unknown("No model is available.")

    def get(self, name: str) -> Model:
        """The model with this name or alias.

        Raises UnknownModel, ModelsNotListed, or NoUpstreamKey if no back end is in use.
        """
        if model := self._by_name.get(name):
            return model
        for pattern, to in self._targets.items():
            if fnmatchcase(name, pattern):
                return Model(name, self._by_name[to].routes, to)
        names = ", ".join(list(self._by_name)[:4])
        raise self._unknown(f"The model {name[:100]!r} does not exist. Use one from /v1/models, such as {names}.")

    def routes(self, spec: GenerationSpec) -> dict[str, Route]:
        """The routes that support an order, by back end, in order of preference. Empty if the model is unknown, which
        is possible for an order that is older than the configuration."""
        try:
            routes = self.get(spec.model).routes
        except SoraProxyError:
            return {}
        return {route.backend: route for route in routes if route.abilities.can_make(spec)}

    def _unknown(self, message: str) -> SoraProxyError:
        if self._incomplete:
            reasons = "".join(f" {backend}: {why}" for backend, why in self._outages.items())
            return ModelsNotListed(f"A back end has not listed its models yet. Try again in a few seconds.{reasons}")
        return (
            UnknownModel(message)
            if self._by_name
            else NoUpstreamKey("No back end is in use. An operator has to add or enable one.")
        )


def _own_models(offers: Sequence[Offer]) -> Iterable[tuple[str, Model]]:
    """The models that are not aliases, with their names, in the order of the offers."""
    for name in dict.fromkeys(name for offer in offers for name in offer.names or {}):
        serving = [(offer, offer.names[name]) for offer in offers if offer.names and name in offer.names]
        yield name, Model(name, tuple(Route(offer.backend, own, offer.capabilities.of(own)) for offer, own in serving))


def _images_model(offers: Sequence[Offer]) -> str:
    """The model for programs that know only OpenAI's names; empty if there is none."""
    for offer in offers:
        if offer.names:
            wanted = offer.capabilities.images_model
            return next((name for name, own in offer.names.items() if own == wanted), next(iter(offer.names)))
    return ""
