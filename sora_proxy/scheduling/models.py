"""Models: the set of models that a key serves. A rate limit may exclude a family of models."""

from typing import NamedTuple


def belongs_to(model: str, family: str) -> bool:
    """Whether a model belongs to a family, which is the name of a model, or a prefix of names followed by `*`."""
    return model.startswith(family[:-1]) if family.endswith("*") else model == family


class Models(NamedTuple):
    """A set of models of a back end: the models with these `names` (all models if there are no names), except for the
    `excluded` families.

    Keys with the same models form a group, which has its own line. This is a NamedTuple because it is a key of
    dictionaries that are read very often, and a lookup with a dataclass takes four times as long.
    """

    names: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def serve(self, model: str | None) -> bool:
        """Whether this model is in the set. None stands for an unknown model, which is in every set."""
        if model is None:
            return True
        named = not self.names or model in self.names
        return named and not any(belongs_to(model, family) for family in self.excluded)
