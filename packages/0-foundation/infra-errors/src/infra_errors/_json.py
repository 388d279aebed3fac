"""A context as JSON values: what JSON has no type for becomes text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["to_json"]

_SAFE_INTEGER = 2**53 - 1


def to_json(value: Any) -> Any:
    """`value`, which is plain (see `_plain`), with JSON types only, fit for UTF-8.

    Datetimes are RFC 3339 with Z (one without a zone is taken for UTC), dates ISO, timedeltas
    seconds; UUID, Decimal, integers beyond ±(2^53−1), NaN and infinities are text.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _utf8(value)
    if kind is bool or value is None:
        return value
    if kind is int:
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value)
    if kind is float:
        return value if value - value == 0 else _not_finite(value)
    if kind is list or kind is tuple:
        return [to_json(item) for item in value]
    if hasattr(value, "items"):
        return {to_json(key): to_json(item) for key, item in value.items()}
    return _text(value, kind)


def _utf8(text: str) -> str:
    # a lone surrogate (an undecodable file name) has no UTF-8
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _not_finite(value: float) -> str:
    if value > 0:
        return "Infinity"
    return "-Infinity" if value < 0 else "NaN"


def _text(value: Any, kind: type) -> Any:
    if kind.__name__ == "timedelta":
        return value.total_seconds()
    if kind.__name__ != "datetime":
        return value.isoformat() if kind.__name__ == "date" else str(value)
    from datetime import UTC

    try:
        value = value.astimezone(UTC) if value.tzinfo else value
    except OverflowError:
        return value.isoformat()
    return value.replace(tzinfo=None).isoformat() + "Z"
