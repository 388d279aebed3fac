"""From a type annotation to the kind that reads it."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
)

import attrs

from infra_config import coerce
from infra_config._kinds import (
    AnyKind,
    CheckedKind,
    ItemsKind,
    Kind,
    MapKind,
    OptionalKind,
    PairsKind,
    ScalarKind,
    SecretKind,
    UnionKind,
    choices,
)
from infra_config.errors import BadSetting
from infra_config.rules import Rule
from infra_config.setting import Unit
from infra_errors import Secret, SecretUrl

__all__ = ["is_typed_dict", "kind_of"]

_EXPECTS = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "Decimal": "a decimal number",
    "Path": "a path",
    "UUID": "a UUID",
    "datetime": "a date and time",
    "date": "a date like 2026-01-31",
    "time": "a time like 23:59",
    "timedelta": "a duration like 30s",
}
_ITEMS: dict[object, tuple[str, Callable[[list[Any]], Any]]] = {
    list: ("list", list),
    tuple: ("tuple", tuple),
    set: ("set", set),
    frozenset: ("frozenset", frozenset),
    Sequence: ("Sequence", tuple),
}


@attrs.frozen
class _Reader:
    """Reads the annotation of one field, which it names where it must refuse."""

    field: str
    nested: Callable[[type], Kind]

    def kind(self, hint: object) -> Kind:
        """Return the kind of any annotation."""
        origin = get_origin(hint)
        if origin is Annotated:
            return self._annotated(*get_args(hint))
        if origin is Union or origin is types.UnionType:
            return self._union(get_args(hint))
        if origin is Literal:
            shown = ", ".join(repr(option) for option in get_args(hint))
            return choices(f"Literal[{shown}]", get_args(hint), {})
        if origin is Required or origin is NotRequired:
            return self.kind(*get_args(hint))
        if isinstance(hint, NewType):
            return self.kind(hint.__supertype__)
        if origin is not None or hint in _ITEMS or hint in {dict, Mapping, MutableMapping}:
            return self._generic(origin or hint, get_args(hint))
        if hint is Any or hint is object:
            return AnyKind()
        if not isinstance(hint, type):
            raise self._refused(hint)
        return self._class(hint)

    def _annotated(self, hint: object, *extras: object) -> Kind:
        kind = self.kind(hint)
        for extra in extras:
            if isinstance(extra, Unit):
                kind = with_unit(kind, extra.symbol)
        rules = [extra for extra in extras if isinstance(extra, Rule)]
        return CheckedKind(kind, rules) if rules else kind

    def _union(self, members: tuple[object, ...]) -> Kind:
        kinds = [self.kind(member) for member in members if member is not type(None)]
        if len(kinds) > 1:
            if any(isinstance(kind, ItemsKind | PairsKind) or kind.table for kind in kinds):
                shown = " | ".join(kind.name for kind in kinds)
                raise self._refused(shown, "only scalar types can be alternatives")
            inner: Kind = UnionKind(kinds)
        else:
            (inner,) = kinds
        return OptionalKind(inner) if type(None) in members else inner

    def _generic(self, origin: object, args: tuple[Any, ...]) -> Kind:
        if origin is Secret:
            return _secret(Secret, bytes if args == (bytes,) else str)
        if origin in {dict, Mapping, MutableMapping}:
            key, item = args or (str, Any)
            if key is not str:
                raise self._refused(origin, "its names are not str")
            return MapKind(self.kind(item))
        if origin not in _ITEMS:
            raise self._refused(origin)
        name, make = _ITEMS[origin]
        if origin is tuple and args and args[1:] != (...,):
            return PairsKind([self.kind(arg) for arg in args])
        return ItemsKind(self.kind(args[0] if args else Any), make, name)

    def _class(self, cls: type) -> Kind:
        if issubclass(cls, Secret):
            return _secret(cls, str)
        if issubclass(cls, Enum):
            return choices(cls.__name__, list(cls), dict(cls.__members__))
        if attrs.has(cls) or dataclasses.is_dataclass(cls) or is_typed_dict(cls):
            return self.nested(cls)
        if cls is str:
            return ScalarKind("str", "text", str, coerce.FROM_NATIVE[str])
        if cls in coerce.FROM_NATIVE:
            parse = coerce.FROM_TEXT[cls]
            return ScalarKind(
                cls.__name__,
                _EXPECTS[cls.__name__],
                lambda text: parse(text.strip()),
                coerce.FROM_NATIVE[cls],
            )
        if cls.__module__ == "ipaddress":
            parsed = coerce.parsed_by(cls)
            return ScalarKind(cls.__name__, f"an {cls.__name__}", parsed, parsed)
        raise self._refused(cls)

    def _refused(self, hint: object, why: str = "there is no way to read it") -> BadSetting:
        shown = hint.__name__ if isinstance(hint, type) else str(hint)
        message = (
            f"{self.field} has the type {shown}: {why}; use another type, or leave the field to "
            'the code with metadata={"bind": False}'
        )
        return BadSetting(message)


def is_typed_dict(cls: type) -> bool:
    """Whether a class is a TypedDict, of `typing` or of typing_extensions."""
    return issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def kind_of(hint: object, field: str, *, unit: str, nested: Callable[[type], Kind]) -> Kind:
    """
    Return the kind of an annotation.

    Args:
        hint: the annotation.
        field: the field's name, for messages.
        unit: the unit that the field's metadata names, "" for none.
        nested: returns the kind of a settings class.

    Raises BadSetting for a type that cannot be read.
    """
    return with_unit(_Reader(field, nested).kind(hint), unit)


def with_unit(kind: Kind, unit: str) -> Kind:
    """Return the kind that reads `5m` for seconds and `10MiB` for bytes, as the unit says."""
    if isinstance(kind, OptionalKind | CheckedKind):
        inner = with_unit(kind.inner, unit)
        if inner is kind.inner:
            return kind
        rules = kind.rules if isinstance(kind, CheckedKind) else ()
        return CheckedKind(inner, rules) if rules else OptionalKind(inner)
    if unit == "s" and kind.name == "float":
        return ScalarKind(
            "Seconds",
            "a duration like 30s",
            lambda text: coerce.duration(text.strip()),
            coerce.seconds,
        )
    if unit == "B" and kind.name == "int":
        return ScalarKind("Size", "a size like 10MiB", coerce.size, coerce.size)
    return kind


def _secret(cls: type[Secret[Any]], held: type) -> Kind:
    def from_text(text: str) -> Secret[Any]:
        return cls(text.encode() if held is bytes else text)

    def from_native(value: object) -> Secret[Any]:
        if isinstance(value, Secret) and isinstance(value.reveal(), held):
            return value if type(value) is cls else cls(value.reveal())
        if isinstance(value, bytes) and held is bytes:
            return cls(value)
        if not isinstance(value, str):
            raise coerce.Refused
        return from_text(value)

    name = cls.__name__ if issubclass(cls, SecretUrl) else f"{cls.__name__}[{held.__name__}]"
    return SecretKind(name, "a secret text", from_text, from_native)
