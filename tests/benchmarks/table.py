"""One table for all measurements."""

from collections.abc import Iterable
from dataclasses import dataclass

HEAD = ("what", "measured", "goal", "met")
GAP = "  "


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. A row without a goal is for information, and its `met` is None."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


def bounded(what: str, value: float, most: float, unit: str) -> Row:
    """A row whose value must not be above `most`."""
    return Row(what, f"{value:.3g} {unit}", f"≤ {most:g} {unit}", value <= most)


def at_least(what: str, value: float, least: float, unit: str) -> Row:
    """A row whose value must not be below `least`."""
    return Row(what, f"{value:.3g} {unit}", f"≥ {least:g} {unit}", value >= least)


def exactly(what: str, value: int, wanted: int) -> Row:
    """A row whose count must be `wanted`."""
    return Row(what, str(value), str(wanted), value == wanted)


def show(rows: Iterable[Row]) -> None:
    """Print the rows as aligned columns."""
    lines: list[tuple[str, ...]] = [HEAD, *((row.what, row.measured, row.goal, _word(row.met)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        print(GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _word(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "NO"
