"""Filters and orders decided in Python, with the meaning that the databases give them."""

from __future__ import annotations

from enum import Enum
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from infra_db.errors import CapabilityError
from infra_db.filters import AnyOf, Filter
from infra_db.types import FoldedStr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra_db._mapping import Field
    from infra_db.filters import Where
    from infra_db.paging import Key

__all__ = ["compare", "holds", "in_order"]


def holds(
    where: Where,
    row: Mapping[str, Any],
    fields: Mapping[str, Field],
    stored: Callable[[str, Any], Any],
) -> bool:
    """Decide a condition for a row; `stored` is how the table would hold a value of a field."""
    if isinstance(where, AnyOf):
        return any(holds(one, row, fields, stored) for one in where.filters)
    if not isinstance(where, Filter):
        message = "a repository in memory takes Filter and any_of(...), no SQL expressions"
        raise CapabilityError(message)
    value, given = row[where.field], where.value
    if where.op in {"contains", "startswith", "endswith", "icontains", "ieq"}:
        folds = isinstance(fields[where.field].stored.type, FoldedStr)
        return value is not None and _text(where.op, value, given.casefold() if folds else given)
    if where.op in {"in", "not_in"}:
        wanted = [None if one is None else stored(where.field, one) for one in given]
        return (value in wanted) == (where.op == "in")
    if where.op == "between":
        low, high = (comparable(stored(where.field, one)) for one in given)
        return value is not None and bool(low <= comparable(value) <= high)
    if given is None:
        return (value is None) == (where.op == "eq")
    given = stored(where.field, given)
    if where.op in {"eq", "ne"}:
        return bool(value == given) == (where.op == "eq")
    return value is not None and _ORDERED[where.op](comparable(value), comparable(given))


_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def _text(op: str, value: str, part: str) -> bool:
    if op == "ieq":
        return value.casefold() == part.casefold()
    if op == "icontains":
        return part.casefold() in value.casefold()
    return {"contains": value.__contains__, "startswith": value.startswith}.get(op, value.endswith)(
        part
    )


def comparable(value: Any) -> Any:
    """Return what the database orders by: of an enum its name."""
    return value.name if isinstance(value, Enum) else value


def compare(keys: Sequence[Key], a: Sequence[Any], b: Sequence[Any]) -> int:
    """Say whether a row with sort values `a` stands before (-1) or after (1) one with `b`."""
    for key, one, other in zip(keys, a, b, strict=True):
        if one is None or other is None:
            if (one is None) == (other is None):
                continue
            return 1 if (one is None) == (key.sort.nulls == "last") else -1
        first, second = comparable(one), comparable(other)
        if first != second:
            return -1 if (first < second) is not key.sort.descending else 1
    return 0


def in_order(keys: Sequence[Key], rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort rows."""

    def placed(a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
        return compare(
            keys, [a[key.sort.field] for key in keys], [b[key.sort.field] for key in keys]
        )

    return sorted(rows, key=cmp_to_key(placed))
