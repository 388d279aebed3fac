"""Typed, prefixed ids: `bmk_01h455vb4pex5vsknk084sn02q` (TypeID, specification 0.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import total_ordering
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from uuid import UUID

from infra_id import _base32
from infra_id.errors import BadIdOption, InvalidId
from infra_id.uuids import uuid7

if TYPE_CHECKING:
    from typing import Self

    from infra_id.uuids import Uuid7Generator

__all__ = ["TypedId", "is_prefix", "typeid"]

_PREFIX = re.compile(r"(?:[a-z](?:[a-z_]{0,61}[a-z])?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def typeid(prefix: str, value: UUID | str | None = None) -> str:
    """
    Return a TypeID: the prefix, an underscore, and the UUID as 26 characters.

    Arguments: `prefix` of up to 63 characters of a-z and inner underscores, or empty (then no
    underscore either); `value` a UUID or its text, a new UUIDv7 when None. Raises BadIdOption for
    the prefix, InvalidId for the value.
    """
    _check_prefix(prefix)
    suffix = _base32.encode((uuid7() if value is None else _as_uuid(value)).int)
    return f"{prefix}_{suffix}" if prefix else suffix


@total_ordering
class TypedId:
    """
    An id that knows what it names: `class BenchmarkId(TypedId): prefix = "bmk"`.

    Immutable and hashable; equal and ordered only inside its own class. Its text is a TypeID.
    `uuid` is the value below it; `timestamp` its time in UTC if that is a UUIDv7, else None.
    A class without a valid prefix, or with one that another class of its module has, is
    refused when it is made (BadIdOption).
    """

    __slots__ = ("uuid",)
    prefix: ClassVar[str]
    uuid: UUID

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        prefix = cls.__dict__.get("prefix")
        if not isinstance(prefix, str):
            msg = f"{cls.__qualname__} needs a prefix of its own, as in: prefix = 'bmk'"
            raise BadIdOption(msg)
        _check_prefix(prefix)
        owner = _owners.setdefault((cls.__module__, prefix), cls.__qualname__)
        if owner != cls.__qualname__:
            msg = f"{cls.__module__}.{owner} has the prefix {prefix!r} already"
            raise BadIdOption(msg)

    def __init__(self, value: UUID) -> None:
        if type(self) is TypedId or not isinstance(value, UUID):
            msg = f"{type(self).__name__} is made by new(), parse() or from_uuid()"
            raise BadIdOption(msg)
        object.__setattr__(self, "uuid", value)

    @classmethod
    def new(cls, *, generator: Uuid7Generator | None = None) -> Self:
        """Return a new id over a UUIDv7, from the generator if one is given."""
        return cls(generator.next() if generator else uuid7())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that the text names; InvalidId for another prefix, case or length."""
        start = f"{cls.prefix}_" if cls.prefix else ""
        if not isinstance(text, str) or not text.startswith(start):
            msg = f"{_shown(text)} is no {cls.__name__}: it begins with {start!r}"
            raise InvalidId(msg)
        number = _base32.decode(text[len(start) :])
        if number is None:
            msg = f"{_shown(text)} is no {cls.__name__}: {start!r} and 26 characters of base32"
            raise InvalidId(msg)
        return cls(UUID(int=number))

    @classmethod
    def from_uuid(cls, value: UUID | str) -> Self:
        """Return the id over a UUID of any version, or over its canonical text (else InvalidId)."""
        return cls(_as_uuid(value))

    @property
    def timestamp(self) -> datetime | None:
        """When a UUIDv7 was made (UTC, milliseconds); None for another version."""
        if self.uuid.version != 7:
            return None
        return _EPOCH + timedelta(milliseconds=self.uuid.int >> 80)

    def __str__(self) -> str:
        suffix = _base32.encode(self.uuid.int)
        return f"{self.prefix}_{suffix}" if self.prefix else suffix

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __json__(self) -> str:
        """What infra-json writes."""
        return str(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.uuid == self.uuid

    def __lt__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.uuid.int < other.uuid.int

    def __hash__(self) -> int:
        return hash((type(self), self.uuid))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = f"{type(self).__name__} is immutable: make another instead of setting {name}"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.uuid,)


_owners: dict[tuple[str, str], str] = {}


def is_prefix(text: str) -> bool:
    """Return whether a text is a TypeID's prefix: empty, or a-z with underscores inside."""
    return _PREFIX.fullmatch(text) is not None


def _check_prefix(prefix: str) -> None:
    if not isinstance(prefix, str) or not is_prefix(prefix):
        msg = f"{_shown(prefix)} is no prefix: up to 63 of a-z, with underscores only inside"
        raise BadIdOption(msg)


def _as_uuid(value: object) -> UUID:
    """Return the UUID; text must be canonical, because UUID() also takes braces and urn:."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            parsed = UUID(value)
        except ValueError:
            parsed = None
        if parsed is not None and str(parsed) == value.lower():
            return parsed
    msg = f"{_shown(value)} is no UUID: 8-4-4-4-12 hexadecimal digits"
    raise InvalidId(msg)


def _shown(value: object) -> str:
    """At most 64 characters of what was given."""
    return ascii(value[:64]) if isinstance(value, str) else f"a {type(value).__name__}"
