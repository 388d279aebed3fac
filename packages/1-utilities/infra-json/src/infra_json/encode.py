"""What a Python object is in JSON: a table of types, and a refusal for everything else."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from infra_errors import InfraError, Secret
from infra_json.errors import EncodeError
from infra_json.limits import MAX_DEPTH, too_deep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from infra_json.codec import JsonValue

__all__ = ["to_json_value"]


def to_json_value(
    obj: object,
    *,
    max_depth: int = MAX_DEPTH,
    default: Callable[[object], object] | None = None,
) -> JsonValue:
    """
    Return the object as JSON's own types, in new containers.

    Taken besides them: datetime (aware; RFC 3339 in UTC), date, time, timedelta (seconds), UUID,
    Decimal (text), bytes (base64), Enum (its value), Path (posix), IP addresses, tuples, sets
    (sorted by their canonical bytes), Mapping, attrs and dataclass objects (public fields),
    InfraError (its wire form), objects with `__json__()`, ULID and whatever else has a text that
    its class reads with `from_str`; `default` converts the rest. Raises EncodeError with the path
    for naive datetimes, NaN and infinities, names that are not str, cycles, lone surrogates,
    Secret, and anything else; TooDeep beyond `max_depth`.
    """
    return _Encoder(max_depth, default).document(obj)


class _Frame(NamedTuple):
    """A container being written: where its items come from, and where they go."""

    source: object
    items: Iterator[tuple[Any, Any]]
    target: list[JsonValue] | dict[str, JsonValue]


class _Encoder:
    """One walk, with a stack of its own, because documents may be deep."""

    def __init__(self, max_depth: int, default: Callable[[object], object] | None) -> None:
        self.max_depth = max_depth
        self.default = default
        self.frames: list[_Frame] = []
        self.path: list[Any] = []
        self.inside: set[int] = set()

    def document(self, root: object) -> JsonValue:
        result = self.value(root)
        while self.frames:
            frame = self.frames[-1]
            depth = len(self.frames)
            for key, item in frame.items:
                self.path[-1] = key
                value = self.value(item)
                if isinstance(frame.target, list):
                    frame.target.append(value)
                else:
                    frame.target[self.name(key)] = value
                if len(self.frames) > depth:
                    break
            else:
                self.close(frame)
        return result

    def value(self, obj: Any) -> JsonValue:
        """Return a scalar's form; or a container's, still empty, as a new frame to be filled."""
        for _ in range(self.max_depth + 1):
            kind = type(obj)
            if obj is None or kind is bool or kind is int:
                return obj  # type: ignore[no-any-return]  # these three are JsonValue
            if kind is str:
                return self.text(obj)
            if kind is float:
                return self.number(obj)
            if (members := _members(obj)) is not None:
                return self.open(obj, members, {})
            if isinstance(obj, (list, tuple, set, frozenset)):
                return self.open(obj, enumerate(obj), [])
            obj = self.form(obj)
        raise too_deep(self.max_depth, path=self.pointer())

    def open(
        self,
        source: object,
        items: Iterable[tuple[Any, Any]],
        target: list[JsonValue] | dict[str, JsonValue],
    ) -> JsonValue:
        if id(source) in self.inside:
            raise self.refused("it contains itself")
        if len(self.frames) >= self.max_depth:
            raise too_deep(self.max_depth, path=self.pointer())
        self.frames.append(_Frame(source, iter(items), target))
        self.inside.add(id(source))
        self.path.append(None)
        return target

    def close(self, frame: _Frame) -> None:
        if isinstance(frame.source, (set, frozenset)) and isinstance(frame.target, list):
            from infra_json.canonical import canonicalize

            frame.target.sort(key=canonicalize)
        self.inside.discard(id(frame.source))
        self.frames.pop()
        self.path.pop()

    def name(self, key: object) -> str:
        if not isinstance(key, str):
            self.path.pop()
            raise self.refused(f"a name is {type(key).__name__}, not str")
        return self.text(str.__str__(key))

    def text(self, obj: str) -> str:
        if not obj.isascii():
            try:
                obj.encode()
            except UnicodeEncodeError:
                raise self.refused("a surrogate without its partner") from None
        return obj

    def number(self, obj: float) -> float:
        if not math.isfinite(obj):
            raise self.refused(f"{obj} is no JSON number")
        return obj

    def form(self, obj: Any) -> object:
        """Return what stands for an object that is none of JSON's own types."""
        if isinstance(obj, Secret):
            raise self.refused("a secret is never written")
        if not isinstance(obj, type) and callable(own := getattr(obj, "__json__", None)):
            return own()
        for kind, convert in _FORMS:
            if isinstance(obj, kind):
                return convert(obj)
        if isinstance(obj, datetime):
            return self.moment(obj)
        if callable(getattr(type(obj), "from_str", None)):  # ULID, and what is made like it
            return str(obj)
        if isinstance(obj, date):
            return obj.isoformat()
        if self.default is None:
            raise self.refused(f"{type(obj).__name__} has no JSON form")
        return self.default(obj)

    def moment(self, obj: datetime) -> str:
        if obj.utcoffset() is None:
            raise self.refused("a datetime without time zone names no moment")
        return obj.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def refused(self, why: str) -> EncodeError:
        pointer = self.pointer()
        return EncodeError(f"no JSON form at {pointer or 'the root'}: {why}", path=pointer)

    def pointer(self) -> str:
        escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in self.path)
        return "".join(f"/{part}" for part in escaped)


# Most specific first: a StrEnum is an Enum before it is a str.
_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (Enum, lambda obj: obj.value),
    (bool, bool),
    (str, str.__str__),
    (int, int),
    (float, float),
    (UUID, str),
    (Decimal, lambda obj: str(obj) if obj.is_finite() else float(obj)),
    (time, lambda obj: obj.isoformat()),
    (timedelta, lambda obj: _whole(obj.total_seconds())),
    ((bytes, bytearray, memoryview), lambda obj: base64.b64encode(obj).decode()),
    (PurePath, lambda obj: obj.as_posix()),
    ((IPv4Address, IPv6Address), str),
    (InfraError, lambda obj: obj.to_dict()),
)


def _whole(seconds: float) -> float | int:
    return int(seconds) if seconds.is_integer() else seconds


def _members(obj: Any) -> Iterable[tuple[Any, Any]] | None:
    """The names and values of a mapping, an attrs or a dataclass object; None for anything else."""
    if isinstance(obj, Mapping):
        return obj.items()
    if isinstance(obj, (type, Secret)) or hasattr(obj, "__json__"):
        return None
    if (attributes := getattr(type(obj), "__attrs_attrs__", None)) is not None:
        names = [field.name for field in attributes]
    elif dataclasses.is_dataclass(obj):
        names = [field.name for field in dataclasses.fields(obj)]
    else:
        return None
    return [(name, getattr(obj, name)) for name in names if not name.startswith("_")]
