"""The one equality of this package: by value and by JSON's types."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra_json import _keys

if TYPE_CHECKING:
    from infra_json.codec import JsonValue

__all__ = ["equal", "same_scalar"]


def equal(a: JsonValue, b: JsonValue) -> bool:
    """
    Return whether two documents are the same JSON value.

    Objects are unordered, arrays ordered; numbers compare by exact value (1 = 1.0, -0 = 0, and
    2^53 + 1 is no float); true is no number, "1" neither. Raises TooDeep beyond 2,000 levels.
    """
    left, right = _keys.checked_bytes(a), _keys.checked_bytes(b)
    return (left is not None and left == right) or _walk(a, b)


def _walk(a: Any, b: Any) -> bool:
    pairs = [(a, b)]
    while pairs:
        left, right = pairs.pop()
        if left is right:
            continue
        if isinstance(left, dict):
            if not isinstance(right, dict) or left.keys() != right.keys():
                return False
            pairs.extend([(value, right[name]) for name, value in left.items()])
        elif isinstance(left, (list, tuple)):
            if not isinstance(right, (list, tuple)) or len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif not same_scalar(left, right):
            return False
    return True


def same_scalar(a: Any, b: Any) -> bool:
    """Return whether two scalars are the same JSON value; False where one is a container."""
    kind, other = type(a), type(b)
    if kind is other:
        return kind is not dict and kind is not list and bool(a == b)
    if kind is bool or other is bool:
        return False
    numbers = (int, float, Decimal)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return a == b
    return isinstance(a, str) and isinstance(b, str) and str.__eq__(a, b)
