"""Column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, DateTime, String
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.types import TypeDecorator, TypeEngine

from infra_errors import ValidationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["FoldedStr", "JsonDict", "UtcDateTime"]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored and returned in UTC; a naive one is a ValidationError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Keep microseconds where the server would drop them unasked."""
        kind = DATETIME(fsp=6) if dialect.name in {"mysql", "mariadb"} else self.impl_instance
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn it to UTC; databases without time zones get it naive."""
        if value is None:
            return None
        if not isinstance(value, datetime) or value.utcoffset() is None:
            message = "a datetime must carry its time zone, as datetime.now(UTC) does"
            raise ValidationError(message, code="db.check")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give it back aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FoldedStr(TypeDecorator[str]):
    """Text stored casefolded, so that equality, order and uniqueness ignore case.

    Comparisons fold their other side as well. `length` is in characters after folding.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Fold it (Unicode casefold, not lower)."""
        return value.casefold() if isinstance(value, str) else value


class JsonDict(TypeDecorator[dict[str, Any]]):
    """A JSON object; setting or removing a key of it is noticed, nested changes are not.

    For a nested change, assign the key again. It is JSONB on PostgreSQL.
    """

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """JSONB where there is one."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())


MutableDict.associate_with(JsonDict)
