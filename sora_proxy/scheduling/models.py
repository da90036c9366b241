"""Models: what a key serves now. A limit may keep it from a family of models only."""

from typing import NamedTuple


def belongs_to(model: str, family: str) -> bool:
    """Whether a model is of a family: that is its name, or the beginning of several names with `*` behind it."""
    return model.startswith(family[:-1]) if family.endswith("*") else model == family


class Models(NamedTuple):
    """The models of these `names`, by the back end's own; without any: all that it has. None of the `resting` families.

    Keys of the same models are a group, and have a line of their own. They are looked up all the time, which takes a
    dataclass four times as long.
    """

    names: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()

    def serve(self, model: str | None) -> bool:
        """Whether one of them is this model. That of an order may be unknown, and is among all then."""
        if model is None:
            return True
        named = not self.names or model in self.names
        return named and not any(belongs_to(model, family) for family in self.resting)
