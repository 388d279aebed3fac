"""What a context may hold: plain, small, picklable and safe values, whatever was put in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from infra_errors.redact import (
    cut,
    masked,
    name_of_key,
    pair_name,
    redact_text,
    suspicious,
    verdict,
)

__all__ = ["merged", "plain_context", "seconds_of", "tidy"]

_DEPTH, _ITEMS, _KEYS, _TEXT, _KEY = 4, 32, 64, 1024, 128
_SCALARS = frozenset({int, float, bool, type(None)})
# named, so that a process that never saw a Decimal does not import decimal for it
_KEPT = {
    "datetime": frozenset({"date", "datetime", "timedelta"}),
    "uuid": frozenset({"UUID"}),
    "decimal": frozenset({"Decimal"}),
}


def plain_context(raw: Mapping[object, object]) -> dict[str, object]:
    """The context as it is read, printed and sent: at most 64 keys, secrets masked, copied."""
    return _mapping(raw, _DEPTH, _KEYS)


def tidy(text: str, limit: int) -> str:
    """`text` without secrets, in at most `limit` characters."""
    if suspicious(text):
        text = redact_text(text)
    return cut(text, limit)


def merged(context: object, fields: dict[str, object]) -> dict[str, object]:
    """The keywords `context` and `**fields` of a constructor in one; fields win."""
    try:
        return {**dict(context), **fields}  # type: ignore[call-overload]  # what is no mapping is kept as a fact
    except Exception:  # noqa: BLE001 - a hostile mapping may raise anything, a constructor may not
        return {"context": context, **fields}


def seconds_of(value: object) -> float | None:
    """Seconds from a number or a timedelta: never negative, None for what is no finite number."""
    try:
        total = getattr(value, "total_seconds", None)
        seconds = float(total() if total is not None else value)  # type: ignore[arg-type]  # refused below
    except Exception:  # noqa: BLE001 - a hostile object may raise anything, a constructor may not
        return None
    # false for NaN too
    return max(0.0, seconds) if seconds < float("inf") else None


def _mapping(raw: Mapping[object, object], depth: int, limit: int) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in raw.items():
        if len(result) == limit - 1 and len(raw) > limit:
            result["…"] = f"(+{len(raw) - len(result)})"
            break
        name = key if type(key) is str else name_of_key(key) or str(_plain(key, 0))
        result[tidy(name, _KEY)] = masked(name, _plain(value, depth))
    return result


def _plain(value: object, depth: int) -> object:
    kind = type(value)
    if kind is str:
        return tidy(value, _TEXT)  # type: ignore[arg-type]  # a str, by its exact type
    if kind in _SCALARS:
        return value if kind is not int or value.bit_length() <= 1024 else "<int>"  # type: ignore[attr-defined]  # an int
    try:
        return _converted(value, kind, depth)
    except Exception:  # noqa: BLE001 - a hostile object may raise anything, and an error must still print
        return _named(kind)


def _converted(value: object, kind: type, depth: int) -> object:
    from infra_errors.secret import Secret

    if kind.__name__ in _KEPT.get(kind.__module__, ()):
        return _fixed_offset(value) if kind.__name__ == "datetime" else value
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, str):
        return tidy(str.__str__(value), _TEXT)
    if isinstance(value, int):
        return _plain(int.__int__(value), depth)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<bytes: {len(value)}>"
    if isinstance(value, Mapping):
        return _mapping(value, depth - 1, _ITEMS) if depth else "…"
    if isinstance(value, list | tuple | set | frozenset):
        if not depth:
            return "…"
        name = pair_name(value)
        return [name, masked(name, "")] if name and verdict(name) else _items(value, depth)
    if any(base.__name__ == "PurePath" for base in kind.__mro__):
        return tidy(str(value), _TEXT)
    return _named(kind)


def _items(
    value: list[object] | tuple[object, ...] | set[object] | frozenset[object], depth: int
) -> list[object]:
    result: list[object] = []
    for item in value:
        if len(result) == _ITEMS - 1 and len(value) > _ITEMS:
            result.append(f"… (+{len(value) - len(result)})")
            break
        result.append(_plain(item, depth - 1))
    return result


def _fixed_offset(value: object) -> object:
    """The same instant with a plain offset: its tzinfo may not exist where it is unpickled."""
    from datetime import datetime, timezone

    assert isinstance(value, datetime)
    if value.tzinfo is None or type(value.tzinfo) is timezone:
        return value
    offset = value.utcoffset()
    return value.replace(tzinfo=None if offset is None else timezone(offset))


def _named(kind: type) -> str:
    return f"<{kind.__module__}.{kind.__qualname__}>"
