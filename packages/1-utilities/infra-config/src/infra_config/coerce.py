"""
Values from text, and native values of files: one function a type and side.

Each takes a value, already trimmed where it is text, and returns the typed one or raises Refused.
None of them says anything about the value: what was expected is known to the caller.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FROM_NATIVE",
    "FROM_TEXT",
    "MAX_DEPTH",
    "Refused",
    "duration",
    "items_of_text",
    "parse_json",
    "parsed_by",
    "seconds",
    "size",
    "table_of_text",
]

T = TypeVar("T")

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[eE][+-]?[0-9]{1,4})?"
)
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[wdhms]))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[wdhms])")
_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_ISO_DURATION = re.compile(
    r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_SIZE = re.compile(
    r"([0-9]{1,18})(?:\.([0-9]{1,6}))?\s?([kmgt]?)(i?)(b?)", re.ASCII | re.IGNORECASE
)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LONGEST = 100


class Refused(ValueError):
    """The value is not of the type. It carries no text, so that it can leak none."""


MAX_DEPTH = 64
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*+(?:"|\Z)|([\[{])|([\]}])', re.DOTALL)


def parse_json(text: str) -> Any:
    """
    Return what strict JSON says: no name twice, no NaN.

    Raises ValueError; RecursionError for more than 64 levels, before a parser recurses that deep:
    in WebAssembly it would end the interpreter.
    """
    if _nested(text) > MAX_DEPTH:
        raise RecursionError
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _nested(text: str) -> int:
    """Return how deep the brackets of a text nest, leaving out those in strings."""
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += 1 if found[1] else -1 if found[2] else 0
        deepest = max(deepest, depth)
    return deepest


def table_of_text(text: str) -> dict[str, Any] | None:
    """Return the table of `{"a": 1}` or `a=1,b=2`, an empty one of "", None for other texts."""
    text = text.strip()
    if text.startswith("{"):
        try:
            return dict(parse_json(text))
        except (ValueError, RecursionError):
            return None
    if not text:
        return {}
    pairs = [item.partition("=") for item in text.split(",")]
    table = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    return table if len(table) == len(pairs) else None


def items_of_text(text: str) -> list[Any]:
    """Return the items of a list in JSON or separated by commas; "" has none."""
    text = text.strip()
    if not text:
        return []
    if not text.startswith("["):
        return [item.strip() for item in text.split(",")]
    try:
        return list(parse_json(text))
    except (ValueError, RecursionError):
        raise Refused from None


def duration(text: str) -> float:
    """Return the seconds of `30s`, `5m`, `1h30m`, `250ms`, `2d`, `1w`, `PT5M` or `30`."""
    if len(text) > _LONGEST:
        raise Refused
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    found = _ISO_DURATION.fullmatch(text)
    if found and any(found.groups()):
        parts = zip(found.groups(), "wdhms", strict=True)
        return sum(float(number) * _UNITS[unit] for number, unit in parts if number)
    return _not_negative(_float_of_text(text))


def seconds(value: object) -> float:
    """Return the seconds of a native number, a timedelta or a text."""
    if isinstance(value, str):
        return duration(value.strip())
    if isinstance(value, timedelta):
        return _not_negative(value.total_seconds())
    number = _float_of_native(value)
    if not math.isfinite(number):
        raise Refused
    return _not_negative(number)


def size(value: object) -> int:
    """Return the bytes of a native integer or of a text: `10MiB`, `10MB`, `512k`, `1024`."""
    if not isinstance(value, str):
        return int(_not_negative(_instance(int)(value)))
    found = _SIZE.fullmatch(value.strip())
    if found is None or (found[4] and not found[3]):
        raise Refused
    whole, fraction, prefix, binary, _ = found.groups()
    factor = (1024 if binary else 1000) ** _POWERS[prefix.lower()]
    total = Decimal(f"{whole}.{fraction or 0}") * factor
    if total != int(total):
        raise Refused
    return int(total)


def _timedelta(value: object) -> timedelta:
    try:
        return value if isinstance(value, timedelta) else timedelta(seconds=seconds(value))
    except OverflowError:
        raise Refused from None


def _bool_of_text(text: str) -> bool:
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise Refused
    return found


def _int_of_text(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Refused
    return int(text)


def _float_of_text(text: str) -> float:
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
        raise Refused
    return float(text)


def _float_of_native(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused
    try:
        return float(value)
    except OverflowError:
        raise Refused from None


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused
    # a float's shortest text is what the file said
    text = value.strip() if isinstance(value, str) else repr(value)
    if not _NUMBER.fullmatch(text):
        raise Refused
    return Decimal(text)


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Refused
    return Path(value.strip())


def _datetime(value: object) -> datetime:
    return value if isinstance(value, datetime) else _parsed(datetime.fromisoformat, value)


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return _parsed(date.fromisoformat, value)


def _time(value: object) -> time:
    return value if isinstance(value, time) else _parsed(time.fromisoformat, value)


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else _parsed(UUID, value)


def _parsed(parse: Callable[[str], T], value: object) -> T:
    if not isinstance(value, str):
        raise Refused
    try:
        return parse(value.strip())
    except ValueError:
        raise Refused from None


def parsed_by(kind: type) -> Callable[[object], Any]:
    """Return the function for a type whose constructor reads text: an IP address."""
    return lambda value: value if type(value) is kind else _parsed(kind, value)


def _instance(kind: type) -> Callable[[object], Any]:
    def native(value: object) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Refused
        return value

    return native


def _not_negative(number: float) -> float:
    if number < 0:
        raise Refused
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        message = "a name stands twice in one object"
        raise ValueError(message)
    return table


def _no_constant(_: str) -> object:
    message = "NaN and Infinity are no JSON numbers"
    raise ValueError(message)


_EITHER: dict[type, Callable[[Any], Any]] = {
    Decimal: _decimal,
    Path: _path,
    UUID: _uuid,
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: _timedelta,
}
FROM_TEXT: dict[type, Callable[[str], Any]] = _EITHER | {
    bool: _bool_of_text,
    int: _int_of_text,
    float: _float_of_text,
}
FROM_NATIVE: dict[type, Callable[[object], Any]] = _EITHER | {
    bool: _instance(bool),
    int: _instance(int),
    float: _float_of_native,
    str: _instance(str),
}
