"""Models: what a key serves now. A limit may keep it from a family of models only."""

from dataclasses import dataclass


def belongs_to(model: str, family: str) -> bool:
    """Whether a model is of a family: that is its name, or the beginning of several names with `*` behind it."""
    return model.startswith(family[:-1]) if family.endswith("*") else model == family


@dataclass(frozen=True, slots=True)
class Models:
    """The models of these `names`, by the back end's own; without any: all that it has. None of the `resting` families.

    Keys of the same models are a group, and have a line of their own.
    """

    names: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()

    def __contains__(self, model: str | None) -> bool:
        """Whether one of them is this model. That of an order may be unknown, and is among all then."""
        if model is None:
            return True
        named = not self.names or model in self.names
        return named and not any(belongs_to(model, family) for family in self.resting)
