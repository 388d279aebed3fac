"""Whether an object is JSON as it stands, found out a level at a time, at the speed of C."""

from __future__ import annotations

from itertools import chain
from typing import Any

__all__ = ["is_plain"]

_SCALARS = frozenset({str, int, float, bool, type(None)})
_KNOWN = _SCALARS | {dict, list}
_MAX_WIDTH = 1_000_000


def is_plain(obj: Any, max_depth: int) -> bool:
    """
    Return whether an object consists of JSON's own types, within a depth.

    No subclass is taken. What remains to be refused are NaN, infinities and lone surrogates. A
    False may be wrong where a level is very wide, as it is in what contains itself.
    """
    kind = type(obj)
    if kind in _SCALARS:
        return True
    objects: list[dict[Any, Any]] = [obj] if kind is dict else []
    arrays: list[list[Any]] = [obj] if kind is list else []
    for _ in range(max_depth):
        if not objects and not arrays:
            return kind in _KNOWN
        if not set(map(type, chain.from_iterable(objects))) <= {str}:
            return False
        members = chain.from_iterable(map(dict.values, objects))
        items = list(chain(members, chain.from_iterable(arrays)))
        kinds = set(map(type, items))
        if not kinds <= _KNOWN:
            return False
        objects = [item for item in items if type(item) is dict] if dict in kinds else []
        arrays = [item for item in items if type(item) is list] if list in kinds else []
        if len(objects) + len(arrays) > _MAX_WIDTH:
            return False
    return not objects and not arrays
