"""The known name that a mistyped one is nearest to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest"]

_FAR = 2


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs in case or in two letters at most; None if none does."""
    best: tuple[int, str] | None = None
    for other in known:
        if other.casefold() == name.casefold():
            return other
        if abs(len(other) - len(name)) > _FAR or min(len(other), len(name)) <= _FAR:
            continue
        far = _distance(name, other)
        if far <= _FAR and (best is None or far < best[0]):
            best = (far, other)
    return best and best[1]


def _distance(one: str, two: str) -> int:
    """Return how many letters were added, lost, changed or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(two, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = above
    return row[-1]
