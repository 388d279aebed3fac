"""Canonical bytes (RFC 8785, JCS): equal documents, equal bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from infra_json import _fast
from infra_json._plain import is_plain
from infra_json._text import pointer_text
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
    raw = _fast.encoded(obj, max_depth=max_depth, sort_keys=True, is_safe=True)
    if raw is None and is_plain(obj, min(max_depth, MAX_DEPTH)):
        try:
            raw = _sorted_text(obj).encode()
        except ValueError:  # NaN or a lone surrogate: the walk below says where
            raw = None
    if raw is not None and _is_canonical(raw):
        return raw
    value = to_json_value(obj, max_depth=max_depth)
    parts: list[str] = []
    try:
        _write(value, parts)
    except EncodeError as error:
        raise error.with_context(path=_unsafe_place(value)) from None
    return "".join(parts).encode()


_sorted_text = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,  # it is plain, so it has an end
    separators=(",", ":"),
    sort_keys=True,
).encode

# Sorted JSON is canonical already, but for some numbers and for names that sort differently by
# UTF-16 units. These tables make such places easy to find: what ends a value becomes a comma, and
# the first byte of a character from U+E000 on 0xff; or all digits 0, and what may stand before a
# number a comma. What only looks like one, within a string, costs time and nothing else.
_ENDS = bytes.maketrans(b"]}" + bytes(range(0xEE, 0x100)), b",," + b"\xff" * (0x100 - 0xEE))
_DIGITS = bytes.maketrans(b"123456789[:-", b"000000000,,,")
_LONG = b"0" * 16
_EXPONENT = re.compile(rb"e[-+0-9]")


def _is_canonical(raw: bytes) -> bool:
    """Return whether sorted JSON has no exponent, no ".0", no late character, no long integer."""
    ends = raw.translate(_ENDS)
    if b".0," in ends or b"\xff" in ends or raw.endswith(b".0") or _EXPONENT.search(raw):
        return False
    digits = raw.translate(_DIGITS)
    return b"," + _LONG not in digits and not digits.startswith(_LONG)


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


def _unsafe_place(root: JsonValue) -> str:
    """Return the pointer of the first integer that others would read as another number."""
    todo: list[tuple[JsonValue, tuple[str | int, ...]]] = [(root, ())]
    while todo:
        value, path = todo.pop()
        if isinstance(value, int) and abs(value) > _MAX_SAFE:
            return pointer_text(path)
        if isinstance(value, dict):
            todo.extend((value[name], (*path, name)) for name in reversed(value))
        elif isinstance(value, list):
            todo.extend((value[at], (*path, at)) for at in range(len(value) - 1, -1, -1))
    return ""


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
