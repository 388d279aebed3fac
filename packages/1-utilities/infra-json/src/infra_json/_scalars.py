"""Scalars and texts that stand for other types: strict readers, each the inverse of its form."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import Any, TypeAlias
from uuid import UUID

from infra_json._text import short
from infra_json.errors import TypeNotSupported

__all__ = ["READERS", "enum_reader", "kind_of", "literal_reader", "reader_of"]

Reader: TypeAlias = tuple[Callable[[Any], Any], str]  # and the kinds of JSON value it takes


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value; an integer is told apart from other numbers."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    return type(value).__name__


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "string"),
    (bool, "boolean"),
    (int, "integer"),
    ((float, Decimal), "number"),
    (dict, "object"),
    (list, "array"),
    (type(None), "null"),
)


def _exactly(kind: str) -> Reader:
    def read(value: Any) -> Any:
        if kind_of(value) != kind:
            msg = f"must be {kind}, not {kind_of(value)}"
            raise ValueError(msg)
        return value

    return read, kind


def _text(name: str, pattern: str | None, convert: Callable[[str], Any]) -> Reader:
    """Read a text of a form; what convert returns must have been written so, or match a pattern."""
    form = None if pattern is None else re.compile(pattern, re.ASCII)

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            msg = f"must be {name} as a string, not {kind_of(value)}"
            raise ValueError(msg)  # noqa: TRY004  # every reader refuses with a ValueError
        try:
            found = convert(value)
            is_right = form.fullmatch(value) is not None if form else str(found) == value
        except (ValueError, ArithmeticError):
            is_right = False
        if not is_right:
            msg = f"{short(value)!r} is not {name}"
            raise ValueError(msg)
        return found

    return read, "string"


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        msg = f"must be number, not {kind_of(value)}"
        raise ValueError(msg)  # noqa: TRY004  # every reader refuses with a ValueError
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        msg = "is too large for a double"
        raise ValueError(msg)
    return found


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else _decimal_text(value)


def _seconds(value: Any) -> timedelta:
    seconds = _float(value)
    try:
        return timedelta(seconds=value if isinstance(value, int) else seconds)
    except OverflowError:
        msg = "is too long for a timedelta"
        raise ValueError(msg) from None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bytes(text: str) -> bytes:
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError(text)
    return found


def _uuid(text: str) -> UUID:
    found = UUID(text)
    if str(found) != text.lower():
        raise ValueError(text)
    return found


_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_OFFSET = r"(Z|[+-]\d\d:\d\d)"
_ANY = r"(?s:.*)"
_decimal_text = _text("a decimal", r"-?\d+(\.\d+)?([eE][+-]?\d+)?", Decimal)[0]

READERS: dict[Any, Reader] = {
    bool: _exactly("boolean"),
    int: _exactly("integer"),
    str: _exactly("string"),
    type(None): _exactly("null"),
    float: (_float, "integer number"),
    Decimal: (_decimal, "string number"),
    timedelta: (_seconds, "integer number"),
    datetime: _text("an RFC 3339 time with its offset", f"{_DATE}[Tt]{_TIME}{_OFFSET}", _moment),
    date: _text("an ISO date", _DATE, date.fromisoformat),
    time: _text("an ISO time", f"{_TIME}{_OFFSET}?", time.fromisoformat),
    bytes: _text("padded base64", _ANY, _bytes),
    UUID: _text("a UUID", _ANY, _uuid),
    IPv4Address: _text("an IPv4 address", None, IPv4Address),
    IPv6Address: _text("an IPv6 address", None, IPv6Address),
    Path: _text("a path", _ANY, Path),
    PosixPath: _text("a path", _ANY, Path),
    PurePath: _text("a path", _ANY, PurePath),
    PurePosixPath: _text("a path", _ANY, PurePosixPath),
}


def reader_of(cls: Any) -> Reader | None:
    """Return the reader of a type with a canonical text: `cls.from_str(str(x)) == x`, as ULID."""
    convert = getattr(cls, "from_str", None)
    if not isinstance(cls, type) or not callable(convert):
        return None
    return _text(cls.__name__, None, convert)


def enum_reader(cls: type[Enum]) -> Reader:
    """Return the reader of an enum by the values of its members."""
    return _one_of({member: member.value for member in cls}, cls.__name__)


def literal_reader(values: tuple[Any, ...]) -> Reader:
    """Return the reader of a Literal."""
    raw = {index: v.value if isinstance(v, Enum) else v for index, v in enumerate(values)}
    read, kinds = _one_of(raw, "Literal")
    return (lambda value: values[read(value)]), kinds


def _one_of(members: dict[Any, Any], name: str) -> Reader:
    """Read the value of one of these, of its very type, as the key that it has here."""
    by_value = {(kind_of(value), value): member for member, value in members.items()}
    kinds = {kind for kind, _ in by_value}
    if not kinds <= {"string", "integer", "number", "boolean", "null"}:
        msg = f"the values of {name} are not all JSON scalars"
        raise TypeNotSupported(msg)
    listed = short(", ".join(str(value) for _, value in by_value))

    def read(value: Any) -> Any:
        found = by_value.get((kind_of(value), value)) if not _is_container(value) else None
        if found is None:
            msg = f"must be one of: {listed}"
            raise ValueError(msg)
        return found

    return read, " ".join(kinds)


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list))
