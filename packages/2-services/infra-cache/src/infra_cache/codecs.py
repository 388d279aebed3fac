"""Values as bytes: JSON that round-trips what it takes and refuses the rest, and sealed bytes."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from infra_cache.errors import undecodable, unencodable
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra_cache.protocol import Codec

__all__ = ["JsonCodec", "ObjectCodec", "SealedCodec", "json_only"]

_TYPED = b"\x01\x01"  # a control byte, which no JSON text begins with, and a version
_SEALED = b"\x03\x01"
_TAG = "\x00"  # the only name of an object that stands for a typed value
_SCALARS = frozenset({str, int, float, bool, type(None)})


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_read = json.JSONDecoder(parse_constant=_refuse_constant).decode


class JsonCodec:
    """JSON's types, bytes, aware datetime, date, time, timedelta, UUID, Decimal, set, `types`.

    `types` are attrs classes and Enums, known by their qualified names; nothing is ever imported
    by name. Tuples come back as lists. Anything else, NaN, infinities and dict keys that are not
    text are SerializationError `cache.encode`. Plain values are plain JSON text.

    Raises ConfigError `cache.config` for two types of one name or a type of another kind.
    """

    __slots__ = ("_types",)

    def __init__(self, types: Iterable[type] = ()) -> None:
        self._types: dict[str, type] = {}
        for kind in types:
            if not isinstance(kind, type) or not (attrs.has(kind) or issubclass(kind, Enum)):
                message = f"JsonCodec(types=…) takes attrs classes and Enums, not {kind!r:.80}"
                raise ConfigError(message, code="cache.config")
            if self._types.setdefault(kind.__qualname__, kind) is not kind:
                message = f"JsonCodec(types=…) has two classes named {kind.__qualname__}"
                raise ConfigError(message, code="cache.config")

    def encode(self, value: Any, /) -> bytes:
        """Give the JSON text, or a typed form, in bytes."""
        try:
            if _is_plain(value):
                return _write(value).encode()
            return _TYPED + _write(self._tagged(value)).encode()
        except ValueError as error:  # NaN, an infinity, a lone surrogate, 4300 digits
            message = "a number or text in the value has no JSON form (NaN, infinity, surrogate)"
            raise unencodable(message) from error
        except RecursionError as error:
            message = "the value is nested too deep to be cached, or holds itself"
            raise unencodable(message) from error

    def decode(self, data: Any, /) -> Any:
        """Give the value back."""
        try:
            if data[:1] >= b" ":
                return _read(data.decode())
            if data[:2] == _TYPED:
                return self._untagged(_read(data[2:].decode()))
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            message = "the data is not what this codec writes"
            raise undecodable(message) from error
        message = "the data is of a form that this codec does not know"
        raise undecodable(message)

    def _tagged(self, value: Any) -> Any:
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is list or kind is tuple:
            return [self._tagged(item) for item in value]
        if kind is dict:
            return self._tagged_dict(value)
        if kind is set:
            return _tag("set", sorted((self._tagged(item) for item in value), key=_write))
        if kind in _TO_TEXT:
            return _tag(kind.__name__, _TO_TEXT[kind](value))
        if self._types.get(kind.__qualname__) is not kind:
            message = (
                f"{kind.__qualname__} cannot be cached; JsonCodec(types=…) takes attrs and Enums"
            )
            raise unencodable(message)
        if isinstance(value, Enum):
            return _tag("=", [kind.__qualname__, self._tagged(value.value)])
        fields = {f.name: self._tagged(getattr(value, f.name)) for f in attrs.fields(kind)}
        return _tag("@", [kind.__qualname__, fields])

    def _tagged_dict(self, value: dict[Any, Any]) -> Any:
        for name in value:
            if type(name) is not str:
                message = f"a dict to be cached has a key that is no text but {type(name).__name__}"
                raise unencodable(message)
        items = {name: self._tagged(item) for name, item in value.items()}
        # Somebody's own {"\x00": …} must not read as a typed value.
        return _tag("dict", list(items.items())) if _TAG in items else items

    def _untagged(self, value: Any) -> Any:
        if type(value) is list:
            return [self._untagged(item) for item in value]
        if type(value) is not dict:
            return value
        if _TAG not in value:
            return {name: self._untagged(item) for name, item in value.items()}
        kind, content = value[_TAG]
        if kind == "dict":
            return {name: self._untagged(item) for name, item in content}
        if kind == "set":
            return {self._untagged(item) for item in content}
        if kind == "=":
            return self._types[content[0]](self._untagged(content[1]))
        if kind == "@":
            return self._object(self._types[content[0]], content[1])
        return _FROM_TEXT[kind](content)

    def _object(self, kind: Any, content: dict[str, Any]) -> Any:
        fields = {field.name: field for field in attrs.fields(kind)}
        if fields.keys() != content.keys():
            raise KeyError(kind.__qualname__)  # written by another version of the class
        values = {name: self._untagged(item) for name, item in content.items()}
        made = kind(**{f.alias: values[name] for name, f in fields.items() if f.init})
        for name, field in fields.items():
            if not field.init:
                object.__setattr__(made, name, values[name])
        return made


class SealedCodec:
    """Encrypts what `inner` writes with `seal(bytes) -> bytes`; `open` is its inverse.

    Data that does not open, or was never sealed, is undecodable: a miss.
    """

    __slots__ = ("_inner", "_open", "_seal")

    def __init__(
        self, inner: Codec, seal: Callable[[bytes], bytes], open: Callable[[bytes], bytes]
    ) -> None:
        self._inner = inner
        self._seal = seal
        self._open = open

    def encode(self, value: Any, /) -> bytes:
        """Give the sealed bytes."""
        return _SEALED + self._seal(self._inner.encode(value))

    def decode(self, data: Any, /) -> Any:
        """Open the bytes and give the value."""
        if data[:2] != _SEALED:
            message = "the data is not sealed"
            raise undecodable(message)
        try:
            plain = self._open(data[2:])
        except Exception as error:  # any callable fits, so any error says "not opened"
            message = "the data does not open with these keys"
            raise undecodable(message) from error
        return self._inner.decode(plain)


class ObjectCodec:
    """Keeps the objects themselves: `share_objects=True`, for values that nobody changes."""

    __slots__ = ()

    def encode(self, value: Any, /) -> Any:
        """Give the value itself; None has a stand-in, since a store's None is a miss."""
        return _NONE if value is None else value

    def decode(self, data: Any, /) -> Any:
        """Give the value itself."""
        return None if data is _NONE else data


_NONE = object()


def json_only(value: Any) -> bool:
    """Say whether a value is of JSON's own types, NaN and infinities excluded."""
    try:
        return _is_plain(value) and _write(value) is not None
    except (ValueError, RecursionError):
        return False


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        for name, item in value.items():
            if type(name) is not str or (type(item) not in _SCALARS and not _is_plain(item)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(not (type(item) not in _SCALARS and not _is_plain(item)) for item in value)
    return False


def _tag(kind: str, content: Any) -> dict[str, Any]:
    return {_TAG: [kind, content]}


def _aware(value: datetime) -> str:
    if value.utcoffset() is None:
        message = "a datetime without a time zone cannot be cached; give it one"
        raise unencodable(message)
    return value.isoformat()


def _finite(value: Decimal) -> str:
    if not value.is_finite():
        message = "a Decimal that is not finite cannot be cached"
        raise unencodable(message)
    return str(value)


_TO_TEXT: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: base64.b64encode(value).decode(),
    datetime: _aware,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    UUID: str,
    Decimal: _finite,
}
_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "UUID": UUID,
    "Decimal": Decimal,
}
