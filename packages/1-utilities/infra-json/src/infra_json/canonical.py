"""Canonical bytes (RFC 8785, JCS): equal documents, equal bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra_json.encode import to_json_value
from infra_json.errors import EncodeError
from infra_json.limits import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_json.codec import JsonValue

__all__ = ["canonicalize"]

_MAX_SAFE = (1 << 53) - 1
_quote = json.encoder.encode_basestring  # writes exactly the escapes that RFC 8785 asks for


def canonicalize(obj: object, *, max_depth: int = MAX_DEPTH) -> bytes:
    """
    Return the one UTF-8 form of an object (RFC 8785).

    Names are sorted by UTF-16 units, numbers written as ECMAScript does. Extended types are
    encoded as `dumps` does first. Raises EncodeError for what has no JSON form and for integers
    beyond ±(2^53 - 1), which others would read as another number; TooDeep.
    """
    parts: list[str] = []
    _write(to_json_value(obj, max_depth=max_depth), parts)
    return "".join(parts).encode()


def _write(root: JsonValue, parts: list[str]) -> None:
    """Append the text of a document; a stack of our own, because documents may be deep."""
    stack: list[tuple[Iterator[tuple[str, JsonValue]], str]] = [(iter([("", root)]), "")]
    while stack:
        items, closing = stack[-1]
        for before, value in items:
            parts.append(before)
            if isinstance(value, list):
                parts.append("[")
                stack.append((_elements(value), "]"))
                break
            if isinstance(value, dict):
                parts.append("{")
                stack.append((_members(value), "}"))
                break
            parts.append(_scalar(value))
        else:
            parts.append(closing)
            stack.pop()


def _elements(value: list[JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    comma = ""
    for item in value:
        yield comma, item
        comma = ","


def _members(value: dict[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    comma = ""
    for name in sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf16):
        yield f"{comma}{_quote(name)}:", value[name]
        comma = ","


def _scalar(value: str | float | None) -> str:
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _integer(value) if isinstance(value, int) else _es6_number(value)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _integer(value: int) -> str:
    if abs(value) > _MAX_SAFE:
        msg = "an integer beyond ±(2^53 - 1) has no canonical form: write it as text"
        raise EncodeError(msg)
    return str(value)


def _es6_number(value: float) -> str:
    """Write a double as ECMAScript's Number::toString does, from the same shortest digits."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return f"{sign}{digits}{'0' * (point - count)}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{sign}{digits[0]}{'.' if count > 1 else ''}{digits[1:]}{power}"
