"""Text tables, and numbers in as many digits as mean something. Pure; must not know what is measured."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.figures import Spread

NOTHING = "–"
GAP = "  "


def number(value: float) -> str:
    """Three digits, or all of a large one."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def middle(found: Spread | None) -> str:
    """The median."""
    return NOTHING if found is None else number(found.median)


def whole(found: Spread | None) -> str:
    """The median with lowest and highest, if they differ."""
    if found is None or found.low == found.high:
        return middle(found)
    return f"{number(found.median)} ({number(found.low)}–{number(found.high)})"


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
