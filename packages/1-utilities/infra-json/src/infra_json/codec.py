"""Strict JSON (RFC 8259) in and out: what is not JSON is refused, and where."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from infra_json import _locate
from infra_json.encode import to_json_value
from infra_json.errors import DecodeError
from infra_json.limits import MAX_BYTES, MAX_DEPTH, check_depth, check_size, too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JsonValue", "dump_bytes", "dumps", "loads"]

JsonValue: TypeAlias = Union[bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]", None]

# Reads escapes one after the other, so that the backslash of `\\ud800` is not taken for the start
# of another. Group 1 is a surrogate without its partner.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def loads(
    data: str | bytes | bytearray | memoryview,
    *,
    duplicate_keys: Literal["error", "last"] = "error",
    max_depth: int = MAX_DEPTH,
    max_bytes: int = MAX_BYTES,
    decimals: bool = False,
) -> JsonValue:
    """
    Return the value of a strict JSON text.

    Arguments: `data` is text or UTF-8 bytes; `duplicate_keys="last"` lets the last of equal names
    win; `max_depth` levels and `max_bytes` bytes are allowed; `decimals` reads numbers with a
    fraction or exponent as Decimal. Raises DecodeError with line, column, offset and path for
    everything RFC 8259 does not allow and for what cannot be kept: duplicate names, NaN and
    infinities, numbers beyond a double, lone surrogates, a BOM, bytes that are not UTF-8, integers
    of more than 4,300 digits. Raises TooDeep and TooLarge.
    """
    text = _text(data, max_bytes)
    check_depth(text, max_depth)
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_unique if duplicate_keys == "error" else None,
            parse_constant=_refuse,
            parse_float=Decimal if decimals else _finite,
            parse_int=_integer,
        )
    except json.JSONDecodeError as exc:
        raise _invalid(text, exc.msg[:1].lower() + exc.msg[1:], exc.pos) from exc
    except _Refused as exc:
        found = _locate.problem(text, duplicates=duplicate_keys == "error", decimals=decimals) or (
            str(exc),
            0,
        )
        raise _invalid(text, *found) from None
    except RecursionError:
        raise too_deep(max_depth) from None
    _refuse_lone_surrogates(text)
    return value


def dumps(
    obj: object,
    *,
    sort_keys: bool = False,
    indent: int | None = None,
    max_depth: int = MAX_DEPTH,
    default: Callable[[object], object] | None = None,
) -> str:
    """
    Return the object as strict JSON text.

    Besides JSON's own types it takes what `to_json_value` lists; `default` converts the rest.
    Without `indent` (spaces a level) the text has no white space. Raises EncodeError with the path
    of what has no JSON form, and TooDeep.
    """
    value = to_json_value(obj, max_depth=max_depth, default=default)
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=separators, sort_keys=sort_keys, indent=indent
        )
    except RecursionError:
        raise too_deep(max_depth) from None


def dump_bytes(
    obj: object,
    *,
    sort_keys: bool = False,
    indent: int | None = None,
    max_depth: int = MAX_DEPTH,
    default: Callable[[object], object] | None = None,
) -> bytes:
    """Return the object as strict JSON in UTF-8; arguments and errors as `dumps`."""
    text = dumps(obj, sort_keys=sort_keys, indent=indent, max_depth=max_depth, default=default)
    return text.encode()


class _Refused(ValueError):
    """Python's parser takes it, strict JSON does not."""


def _text(data: str | bytes | bytearray | memoryview, max_bytes: int) -> str:
    if isinstance(data, str):
        check_size(len(data), max_bytes)
        text = data
        if not text.isascii():
            check_size(_utf8_length(text), max_bytes)
    elif isinstance(data, (bytes, bytearray, memoryview)):
        raw = bytes(data)
        check_size(len(raw), max_bytes)
        try:
            text = raw.decode()
        except UnicodeDecodeError as exc:
            before = raw[: exc.start].decode()
            raise _invalid(before, "the bytes are not UTF-8 from here on", len(before)) from exc
    else:
        msg = f"JSON is text or bytes, not {type(data).__name__}"
        raise DecodeError(msg)
    if text.startswith("\ufeff"):
        raise _invalid(text, "a byte order mark is not part of JSON", 0)
    return text


def _utf8_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as exc:
        raise _invalid(text, "a surrogate without its partner", exc.start) from exc


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    table = dict(pairs)
    if len(table) != len(pairs):
        msg = "a name stands twice in one object"
        raise _Refused(msg)
    return table


def _refuse(name: str) -> None:
    msg = f"{name} is no JSON number"
    raise _Refused(msg)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        msg = "a number is too large for a double"
        raise _Refused(msg)
    return number


def _integer(text: str) -> int:
    if len(text) > _locate.MAX_DIGITS:
        msg = f"an integer has more than {_locate.MAX_DIGITS:,} digits"
        raise _Refused(msg)
    return int(text)


def _refuse_lone_surrogates(text: str) -> None:
    if "\\u" not in text:
        return
    for match in _ESCAPE.finditer(text):
        if match[1]:
            raise _invalid(text, "a surrogate without its partner", match.start())


def _invalid(text: str, why: str, offset: int) -> DecodeError:
    at = _locate.place(text, offset)
    where = f" in {at.path if len(at.path) <= 40 else '…' + at.path[-39:]}" if at.path else ""
    msg = f"not JSON at line {at.line}, column {at.column}{where}: {why}"
    return DecodeError(msg, line=at.line, column=at.column, offset=at.offset, path=at.path)
