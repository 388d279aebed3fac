"""JSON Schema (2020-12) of Python types, as infra-json writes their objects."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import attrs

from infra_http.errors import HttpConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Schemas"]

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    Any: {},
    object: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "number", "description": "seconds"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"type": "string", "format": "decimal"},
    IPv4Address: {"type": "string", "format": "ipv4"},
    IPv6Address: {"type": "string", "format": "ipv6"},
    dict: {"type": "object"},
    list: {"type": "array", "items": {}},
    tuple: {"type": "array", "items": {}},
    set: {"type": "array", "items": {}, "uniqueItems": True},
    frozenset: {"type": "array", "items": {}, "uniqueItems": True},
}
_MAPPINGS = {dict, abc.Mapping, abc.MutableMapping}
_SETS = {set, frozenset, abc.Set, abc.MutableSet}
_ARRAYS = {list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable} | _SETS


class Schemas:
    """Makes schemas; what has fields becomes a component that others refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def of(self, type: Any) -> Schema:
        """Return the schema of a type.

        Raises:
            ConfigError: `http.config`, a type that JSON has no form for.
        """
        if isinstance(type, typing.NewType):
            return self.of(type.__supertype__)
        try:
            if type in _PLAIN:
                return dict(_PLAIN[type])
        except TypeError:  # a Literal of something unhashable
            pass
        origin = get_origin(type)
        if origin is not None:
            return self._generic(origin, get_args(type), type)
        if isinstance(type, typing.TypeVar):
            return {}
        if isinstance(type, builtin_type):
            return self._class(type)
        raise _unknown(type)

    def _generic(self, origin: Any, args: tuple[Any, ...], type: Any) -> Schema:
        if origin is Literal:
            return {"enum": [value.value if isinstance(value, Enum) else value for value in args]}
        if origin is Union or origin is types.UnionType:
            return {"anyOf": [self.of(arg) for arg in args]}
        if origin in {typing.Annotated, typing.Required, typing.NotRequired}:
            return self.of(args[0])
        if origin in _MAPPINGS:
            return {"type": "object", "additionalProperties": self.of(args[1])}
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            items = [self.of(arg) for arg in args]
            size = len(items)
            return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
        if origin is tuple or origin in _ARRAYS:
            unique = {"uniqueItems": True} if origin in _SETS else {}
            return {"type": "array", "items": self.of(args[0]), **unique}
        if isinstance(origin, builtin_type):  # a generic attrs or data class
            return self._class(origin)
        raise _unknown(type)

    def _class(self, type: Any) -> Schema:
        if issubclass(type, Enum):
            return self._component(type, {"enum": [member.value for member in type]})
        if type in self._names:
            return _reference(self._names[type])
        if callable(own := getattr(type, "__json__", None)):
            return self.of(typing.get_type_hints(own).get("return", Any))
        if (fields := _fields(type)) is not None:
            name = self._name(type)  # before its fields, which may refer to it
            schema: Schema = {"type": "object", "title": type.__name__, "properties": {}}
            self.components[name] = schema
            required = []
            for field, hint, is_required in fields:
                schema["properties"][field] = self.of(hint)
                if is_required:
                    required.append(field)
            if required:
                schema["required"] = required
            return _reference(name)
        for kind in (str, bool, int, float):
            if issubclass(type, kind):
                return dict(_PLAIN[kind])
        if issubclass(type, PurePath) or callable(getattr(type, "from_str", None)):
            return {"type": "string"}  # a ULID and the like, which infra-json writes as text
        raise _unknown(type)

    def _component(self, type: Any, schema: Schema) -> Schema:
        if type not in self._names:
            self.components[self._name(type)] = schema
        return _reference(self._names[type])

    def _name(self, type: Any) -> str:
        name = base = "".join([c if c.isalnum() or c in "._-" else "_" for c in type.__name__])
        number = 2
        while name in self.components:
            name, number = f"{base}{number}", number + 1
        self._names[type] = name
        return name


builtin_type = type


def _fields(type: Any) -> Iterator[tuple[str, Any, bool]] | None:
    """Return name, type and whether it must be there, of each public field; None without fields."""
    if attrs.has(type):
        rows = [(f.name, f.default is attrs.NOTHING) for f in attrs.fields(type)]
    elif dataclasses.is_dataclass(type):
        missing = dataclasses.MISSING
        rows = [
            (f.name, f.default is missing and f.default_factory is missing)
            for f in dataclasses.fields(type)
        ]
    elif typing.is_typeddict(type):
        rows = [(name, name in type.__required_keys__) for name in type.__annotations__]
    else:
        return None
    try:
        hints = typing.get_type_hints(type)
    except NameError as exc:
        message = f"the types of {type.__qualname__} cannot be read: {exc}; import them at run time"
        raise HttpConfigError(message) from exc
    return ((name, hints.get(name, Any), need) for name, need in rows if not name.startswith("_"))


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _unknown(type: Any) -> HttpConfigError:
    message = f"no JSON Schema for {type!r}; give openapi(schema_of=…) one that knows it"
    return HttpConfigError(message)
