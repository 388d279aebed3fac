"""Order, pages, and cursors that seek instead of skipping.

A cursor holds the sort values of the row it stands at, its direction, and a MAC over those together
with the table, the filters and the sort. It is opaque, carries no filter values and grants nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

import attrs
from sqlalchemy import ColumnElement, and_, case, literal, or_, tuple_
from sqlalchemy.types import Enum as EnumType
from sqlalchemy.types import TypeDecorator

from infra_errors import Secret, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect

__all__ = ["Page", "Sort"]

E = TypeVar("E")
_VERSION = 1
_MAC_BYTES = 16
_MOST_BYTES = 4096  # of a cursor


@attrs.frozen
class Page(Generic[E]):
    """Some of the rows, in order, and the cursors to those after and before.

    `count` is None unless `count_cap` was given; then it is at most that, and `count_capped` says
    that it reached it.
    """

    items: tuple[E, ...]
    next_cursor: str | None = None
    prev_cursor: str | None = None
    count: int | None = None
    count_capped: bool = False


@attrs.frozen(init=False)
class Sort:
    """A field to order by: `Sort("name")` ascending, `Sort("-name")` descending.

    NULLs come last in both directions unless `nulls="first"`.
    """

    field: str
    descending: bool
    nulls: Literal["last", "first"]

    def __init__(self, field: str, *, nulls: Literal["last", "first"] = "last") -> None:
        if nulls not in {"last", "first"} or not field.removeprefix("-"):
            message = (
                'a sort is a field name, "-" before it for descending, nulls "last" or "first"'
            )
            raise ValidationError(message, code="db.invalid_filter")
        self.__attrs_init__(field.removeprefix("-"), field.startswith("-"), nulls)


@attrs.frozen
class Key:
    """One sort with its column, as the statement needs it."""

    sort: Sort
    column: ColumnElement[Any]
    nullable: bool


Term: TypeAlias = tuple[ColumnElement[Any], bool]


def order_by(keys: Sequence[Key], *, backward: bool = False) -> list[ColumnElement[Any]]:
    """Build the ORDER BY; `backward` is the same order read from its end."""
    return [
        expression.desc() if descending is not backward else expression.asc()
        for key in keys
        for expression, descending in _terms(key)
    ]


def _terms(key: Key) -> list[Term]:
    plain = (key.column, key.sort.descending)
    return [(_null_rank(key), False), plain] if key.nullable else [plain]


def _null_rank(key: Key) -> ColumnElement[int]:
    # Servers disagree on where NULLs stand; this is the same everywhere.
    null, other = (1, 0) if key.sort.nulls == "last" else (0, 1)
    return case((key.column.is_(None), null), else_=other)


def seek(
    keys: Sequence[Key], values: Sequence[Any], *, backward: bool, row_values: bool
) -> ColumnElement[bool]:
    """Build the condition for the rows beyond `values` in this order.

    Of one direction it is a comparison of row values where the database has them; otherwise nested
    so that an index still finds the first row (a plain chain of ORs is 20 times slower).
    """
    terms: list[tuple[ColumnElement[Any], Any, bool]] = []
    for key, value in zip(keys, values, strict=True):
        bound = literal(value, key.column.type)
        if key.nullable:
            rank = int((value is None) == (key.sort.nulls == "last"))
            terms.append((_null_rank(key), literal(rank), backward))
        if value is not None:
            terms.append((key.column, bound, key.sort.descending is not backward))
    descending = {down for _, _, down in terms}
    if row_values and len(terms) > 1 and len(descending) == 1:
        here, there = tuple_(*(t[0] for t in terms)), tuple_(*(t[1] for t in terms))
        beyond: ColumnElement[bool] = here < there if descending.pop() else here > there
        return beyond
    return _beyond(terms)


def _beyond(terms: Sequence[tuple[ColumnElement[Any], Any, bool]]) -> ColumnElement[bool]:
    (expression, value, down), *rest = terms
    strictly: ColumnElement[bool] = expression < value if down else expression > value
    if not rest:
        return strictly
    at_least = expression <= value if down else expression >= value
    return and_(at_least, or_(strictly, _beyond(rest)))


@attrs.frozen
class CursorCodec:
    """Writes and reads the cursors of one database."""

    keys: tuple[Secret[Any], ...]
    dialect: Dialect

    def encode(
        self, keys: Sequence[Key], values: Sequence[Any], *, backward: bool, scope: bytes
    ) -> str:
        """Make the cursor at the row with these sort values."""
        plain = [self.to_json(key.column, value) for key, value in zip(keys, values, strict=True)]
        payload = json.dumps([_VERSION, int(backward), plain], separators=(",", ":")).encode()
        raw = payload + self._mac(payload, scope, self.keys[0] if self.keys else None)
        if len(raw) * 4 > _MOST_BYTES * 3:
            message = "the sort values are too long for a cursor; sort by shorter fields"
            raise ValidationError(message, code="db.invalid_cursor")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def decode(self, cursor: str, keys: Sequence[Key], *, scope: bytes) -> tuple[list[Any], bool]:
        """Return the sort values and the direction; ValidationError `db.invalid_cursor`."""
        payload = self._verified(cursor, scope)
        try:
            version, backward, plain = json.loads(payload)
            if version != _VERSION or len(plain) != len(keys):
                raise _invalid_cursor()
            values = [
                self._from_json(key.column, value) for key, value in zip(keys, plain, strict=True)
            ]
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            if isinstance(error, ValidationError):
                raise
            raise _invalid_cursor() from error
        return values, bool(backward)

    def _verified(self, cursor: str, scope: bytes) -> bytes:
        if not isinstance(cursor, str) or len(cursor) > _MOST_BYTES:
            raise _invalid_cursor()
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise _invalid_cursor() from error
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        # Two texts that decode alike would be two names of one cursor: only the canonical counts.
        canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == cursor
        keys: tuple[Secret[Any] | None, ...] = self.keys or (None,)
        good = [hmac.compare_digest(mac, self._mac(payload, scope, key)) for key in keys]
        if not canonical or not any(good):
            raise _invalid_cursor()
        return payload

    @staticmethod
    def _mac(payload: bytes, scope: bytes, key: Secret[Any] | None) -> bytes:
        body = len(scope).to_bytes(8) + scope + payload
        if key is None:  # catches accidents, not intent: there is no key to sign with
            return hashlib.blake2b(body, digest_size=_MAC_BYTES).digest()
        secret = key.reveal()
        secret = secret.encode() if isinstance(secret, str) else secret
        return hmac.digest(secret, body, "sha256")[:_MAC_BYTES]

    def to_json(self, column: ColumnElement[Any], value: Any) -> Any:
        """Write a value, or several, of a column."""
        if isinstance(value, list | tuple | set | frozenset):
            return {"l": [self.to_json(column, item) for item in value]}
        bind = _processor(column.type, "process_bind_param")
        if bind is not None:
            value = bind(value, self.dialect)
        if isinstance(value, Enum) and not isinstance(column.type, EnumType):
            value = value.value
        return to_json(value)

    def _from_json(self, column: ColumnElement[Any], value: Any) -> Any:
        kind = column.type
        if isinstance(value, dict) and "e" in value and isinstance(kind, EnumType):
            enum: Any = kind.enum_class
            return enum[value["e"]]
        value = _from_json(value)
        result = _processor(kind, "process_result_value")
        return value if result is None else result(value, self.dialect)


def _processor(kind: Any, method: str) -> Callable[[Any, Dialect], Any] | None:
    """The value conversion that a TypeDecorator defines, if it does."""
    base = getattr(TypeDecorator, method)
    if not isinstance(kind, TypeDecorator) or getattr(type(kind), method) is base:
        return None
    found: Callable[[Any, Dialect], Any] = getattr(kind, method)
    return found


def _invalid_cursor() -> ValidationError:
    message = "this cursor was not made for this list, or it was altered; start from the first page"
    return ValidationError(message, code="db.invalid_cursor")


def to_json(value: Any) -> Any:
    """Write a sort or filter value with its kind, so that 1, "1" and True stay apart."""
    if isinstance(value, Enum):
        return {"e": value.name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, list | tuple | set | frozenset):
        return {"l": [to_json(item) for item in value]}
    for tag, kind in _KINDS.items():
        if isinstance(value, kind):
            return {tag: value.isoformat() if hasattr(value, "isoformat") else str(value)}
    message = f"a {type(value).__name__} cannot stand in a cursor"
    raise ValidationError(message, code="db.invalid_cursor")


# datetime before date: it is one.
_KINDS: dict[str, type] = {"t": datetime, "d": date, "u": UUID, "n": Decimal}
_READ: dict[str, Any] = {
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "u": UUID,
    "n": Decimal,
    "b": bytes.fromhex,
}


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        ((tag, text),) = value.items()
        return _READ[tag](text)
    return value
