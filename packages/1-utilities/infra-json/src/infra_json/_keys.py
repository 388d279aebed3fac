"""What stands for a subtree where subtrees are compared: fast bytes, or the same for all equals."""

from __future__ import annotations

import marshal
from decimal import Decimal
from typing import Any

from infra_json.limits import check_nesting

__all__ = ["canonical_key", "checked_bytes", "fast_bytes", "keys"]


_AS_THEMSELVES = frozenset({str, int, float})


def fast_bytes(value: Any) -> bytes | None:
    """
    Return bytes that are equal only for equal values of equal types; None where there are none.

    Equal documents may have different bytes: names in another order, 1 and 1.0. Version 2 of the
    format writes neither references nor what the interpreter interned. It is never read back.
    """
    try:
        return marshal.dumps(value, 2)
    except ValueError:  # too deep for it, or with a type that it does not know
        return None


def checked_bytes(doc: Any) -> bytes | None:
    """Return `fast_bytes` of a document; TooDeep when it nests deeper than 2,000 levels."""
    found = fast_bytes(doc)
    if found is None:
        check_nesting(doc)
    return found


def keys(values: list[Any]) -> list[Any]:
    """Return what stands for each value in sets and comparisons."""
    try:
        # as themselves, scalars differ from the bytes that stand for all else, and 1 equals 1.0
        return [
            value if type(value) in _AS_THEMSELVES else marshal.dumps(value, 2) for value in values
        ]
    except ValueError:
        return [
            value if type(value) in _AS_THEMSELVES else fast_bytes(value) or canonical_key(value)
            for value in values
        ]


def canonical_key(value: Any) -> Any:
    """Return what is equal for two values exactly when they are equal as JSON; not recursive."""
    parts: list[Any] = []
    stack = [iter((value,))]
    while stack:
        for item in stack[-1]:
            if isinstance(item, dict):
                names = sorted(item)
                parts.append(("object", *names))
                stack.append(iter([item[name] for name in names]))
            elif isinstance(item, (list, tuple)):
                parts.append(("array", len(item)))
                stack.append(iter(item))
            else:
                parts.append(_scalar(item))
                continue
            break
        else:
            stack.pop()
    return parts[0] if len(parts) == 1 else tuple(parts)


def _scalar(item: Any) -> Any:
    is_plain = isinstance(item, (str, int, float, Decimal)) and not isinstance(item, bool)
    return item if is_plain else (type(item).__name__, item)
