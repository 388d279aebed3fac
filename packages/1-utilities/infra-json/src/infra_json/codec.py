"""Strict JSON (RFC 8259) in and out: what is not JSON is refused, and where."""

from __future__ import annotations

import json
import math
import re
import sys
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Union, overload

from infra_json import _fast, _locate
from infra_json._plain import is_plain
from infra_json.encode import to_json_value
from infra_json.errors import DecodeError
from infra_json.limits import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NESTING,
    check_depth,
    check_size,
    skeleton,
    too_deep,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JsonValue", "dump_bytes", "dumps", "loads"]

T = TypeVar("T")

JsonValue: TypeAlias = Union[bool, int, float, str, "list[JsonValue]", "dict[str, JsonValue]", None]

# Deeper than this the standard parser and writer are not asked, whatever the caller allows: their
# recursion, even that of dropping 5,000 nested objects, ends the process in WebAssembly.
_REACH = MAX_NESTING

# Reads escapes one after the other, so that the backslash of `\\ud800` is not taken for the start
# of another. Group 1 is a surrogate without its partner.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


@overload
def loads(
    data: str | bytes | bytearray | memoryview,
    *,
    duplicate_keys: Literal["error", "last"] = ...,
    max_depth: int = ...,
    max_bytes: int = ...,
    decimals: bool = ...,
) -> JsonValue: ...
@overload
def loads(
    data: str | bytes | bytearray | memoryview,
    *,
    type: type[T],
    duplicate_keys: Literal["error", "last"] = ...,
    max_depth: int = ...,
    max_bytes: int = ...,
    decimals: bool = ...,
    extra: Literal["error", "ignore"] = ...,
) -> T: ...
@overload
def loads(
    data: str | bytes | bytearray | memoryview,
    *,
    type: Any,
    duplicate_keys: Literal["error", "last"] = ...,
    max_depth: int = ...,
    max_bytes: int = ...,
    decimals: bool = ...,
    extra: Literal["error", "ignore"] = ...,
) -> Any: ...
def loads(
    data: str | bytes | bytearray | memoryview,
    *,
    type: Any = None,
    duplicate_keys: Literal["error", "last"] = "error",
    max_depth: int = MAX_DEPTH,
    max_bytes: int = MAX_BYTES,
    decimals: bool = False,
    extra: Literal["error", "ignore"] = "error",
) -> Any:
    """
    Return the value of a strict JSON text.

    Arguments: `data` is text or UTF-8 bytes; `type` and `extra` make it an object of that type, as
    `structure` does; `duplicate_keys="last"` lets the last of equal names
    win; `max_depth` levels and `max_bytes` bytes are allowed; `decimals` reads numbers with a
    fraction or exponent as Decimal. Raises DecodeError with line, column, offset and path for
    everything RFC 8259 does not allow and for what cannot be kept: duplicate names, NaN and
    infinities, numbers beyond a double, lone surrogates, a BOM, bytes that are not UTF-8, integers
    of more than 4,300 digits. Raises TooDeep and TooLarge.
    """
    text, raw = _text(data, max_bytes)
    bones = skeleton(raw)
    check_depth(text, bones, min(max_depth, _REACH))
    refuses_duplicates = duplicate_keys == "error"
    sizes: list[int] = []

    def counted(table: dict[str, JsonValue]) -> dict[str, JsonValue]:
        sizes.append(len(table))
        return table

    try:
        value: JsonValue = json.loads(
            text,
            object_hook=counted if refuses_duplicates else None,
            parse_constant=_refuse,
            parse_float=Decimal if decimals else _finite,
            parse_int=None if sys.get_int_max_str_digits() == _locate.MAX_DIGITS else _integer,
        )
        # each name has its colon, so fewer members than colons tell of a name that stood twice
        if refuses_duplicates and sum(sizes) != bones.count(b":"):
            raise _Refused
    except json.JSONDecodeError as exc:
        raise _invalid(text, exc.msg[:1].lower() + exc.msg[1:], exc.pos) from exc
    except ValueError:
        found = _locate.problem(text, duplicates=refuses_duplicates, decimals=decimals)
        raise _invalid(text, *(found or ("not a strict JSON text", 0))) from None
    except RecursionError:
        raise too_deep(max_depth) from None
    _refuse_lone_surrogates(text)
    if type is None:
        return value
    from infra_json.structure import structure

    return structure(value, type, extra=extra)


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
    if indent is None and (raw := _fast.encoded(obj, max_depth=max_depth, sort_keys=sort_keys)):
        return raw.decode()
    return _standard(obj, sort_keys, indent, max_depth, default)


def dump_bytes(
    obj: object,
    *,
    sort_keys: bool = False,
    indent: int | None = None,
    max_depth: int = MAX_DEPTH,
    default: Callable[[object], object] | None = None,
) -> bytes:
    """Return the object as strict JSON in UTF-8; arguments and errors as `dumps`."""
    if indent is None and (raw := _fast.encoded(obj, max_depth=max_depth, sort_keys=sort_keys)):
        return raw
    return _standard(obj, sort_keys, indent, max_depth, default).encode()


def _standard(
    obj: object,
    sort_keys: bool,
    indent: int | None,
    max_depth: int,
    default: Callable[[object], object] | None,
) -> str:
    write = _writer(sort_keys, indent)
    try:
        if is_plain(obj, min(max_depth, _REACH)):
            try:
                text = write(obj)
                text.encode()
            except ValueError:  # NaN or a lone surrogate: the walk below says where
                pass
            else:
                return text
        value = to_json_value(obj, max_depth=min(max_depth, _REACH), default=default)
        return write(value)
    except RecursionError:
        raise too_deep(max_depth) from None


@lru_cache(maxsize=32)
def _writer(sort_keys: bool, indent: int | None) -> Callable[[object], str]:
    return json.JSONEncoder(
        ensure_ascii=False,
        allow_nan=False,
        check_circular=False,  # the depth is known by then
        separators=(",", ":") if indent is None else (",", ": "),
        sort_keys=sort_keys,
        indent=indent,
    ).encode


class _Refused(ValueError):
    """Python's parser takes it, strict JSON does not; what and where is looked up afterwards."""


def _text(data: str | bytes | bytearray | memoryview, max_bytes: int) -> tuple[str, bytes]:
    if isinstance(data, str):
        check_size(len(data), max_bytes)
        text = data
        try:
            raw = text.encode()
        except UnicodeEncodeError as exc:
            raise _invalid(text, "a surrogate without its partner", exc.start) from exc
        check_size(len(raw), max_bytes)
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
    return text, raw


def _refuse(name: str) -> None:
    raise _Refused(name)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Refused(text)
    return number


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _locate.MAX_DIGITS:
        raise _Refused(text)
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
