"""A version's table, what stands in it, and how a row becomes canonical JSON and comes back."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import JSON, Column, Integer, Interval, String, Table, Text, event
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.types import Enum as EnumType
from sqlalchemy.types import TypeDecorator

from infra_db.types import JsonDict, UtcDateTime
from infra_json import canonicalize, to_json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Dialect

    from infra_db._mapping import Field, ModelMap

__all__ = ["ContentCodec", "version_table"]

_MOST_SAFE = (1 << 53) - 1  # beyond it JSON's readers disagree on integers
_OWN = ("version", "operation", "content", "sha256", "recorded_at", "recorded_by")
_NOT_CONTENT = frozenset({"version", "created_at", "updated_at", "deleted_at"})


def version_table(table: Table) -> Table:
    """Make `<table>_versions` in the same metadata, or find the one made before."""
    name = f"{table.name}_versions"
    known = table.metadata.tables.get(name if table.schema is None else f"{table.schema}.{name}")
    if known is not None:
        return known
    exact: dict[str, Any] = {
        f"{server}_{option}": value
        for server in ("mysql", "mariadb")
        for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    }
    return Table(
        name,
        table.metadata,
        *(
            Column(f"entity_{key.name}", key.type, primary_key=True, autoincrement=False)
            for key in table.primary_key.columns
        ),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("operation", String(16), nullable=False),
        Column("content", Text().with_variant(LONGTEXT(), "mysql", "mariadb"), nullable=False),
        Column("sha256", String(64), nullable=False),
        Column("recorded_at", UtcDateTime, nullable=False),
        Column("recorded_by", String(255)),
        schema=table.schema,
        **exact,
    )


@attrs.frozen(eq=False)
class ContentCodec:
    """Writes the versioned fields of one model, and reads them again."""

    mapping: ModelMap
    unversioned: frozenset[str]
    dialect: Dialect

    def names(self) -> list[str]:
        """The fields that a version holds."""
        outside = _NOT_CONTENT | self.unversioned | set(self.mapping.keys)
        return [name for name in self.mapping.fields if name not in outside]

    def encode(self, row: Any) -> tuple[str, str]:
        """Return a row's content as canonical JSON (RFC 8785), and its SHA-256 in hex."""
        fields = self.mapping.fields
        content = {name: self._to_json(fields[name], getattr(row, name)) for name in self.names()}
        raw = canonicalize(content)
        return raw.decode(), hashlib.sha256(raw).hexdigest()

    def decode(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of today: one added later has its default, one removed is left out."""
        fields = self.mapping.fields
        return {
            name: self._from_json(fields[name], content[name])
            if name in content
            else default_of(fields[name])
            for name in self.names()
        }

    def _to_json(self, field: Field, value: Any) -> Any:
        kind = field.stored.type
        if isinstance(kind, TypeDecorator) and not isinstance(kind, UtcDateTime | JsonDict):
            value = kind.process_bind_param(value, self.dialect) if _binds(kind) else value
        if isinstance(_plain(kind), EnumType) and hasattr(value, "name"):
            return value.name
        if isinstance(value, int) and abs(value) > _MOST_SAFE:
            return str(value)
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.isoformat()
        return to_json_value(value)

    def _from_json(self, field: Field, value: Any) -> Any:
        kind = field.stored.type
        read = None if value is None else _read(_plain(kind), value)
        if isinstance(kind, TypeDecorator) and _reads(kind):
            return kind.process_result_value(read, self.dialect)
        return read


def default_of(field: Field) -> Any:
    """Return what a new row would have in this field, as far as Python can know it."""
    default, server = field.stored.default, field.stored.server_default
    if default is not None and (default.is_scalar or default.is_callable):
        return default.arg if default.is_scalar else default.arg(None)
    text, kind = getattr(server, "arg", None), _plain(field.stored.type)
    if isinstance(text, str) and not isinstance(kind, EnumType | JSON):
        return _read(kind, text)
    return None


def _plain(kind: Any) -> Any:
    # An Interval decorates a datetime, but converts by itself.
    outside = isinstance(kind, TypeDecorator) and not isinstance(kind, Interval)
    return kind.impl_instance if outside else kind


def _binds(kind: TypeDecorator[Any]) -> bool:
    return type(kind).process_bind_param is not TypeDecorator.process_bind_param


def _reads(kind: TypeDecorator[Any]) -> bool:
    return type(kind).process_result_value is not TypeDecorator.process_result_value


def _read(kind: Any, value: Any) -> Any:
    if isinstance(kind, JSON):
        return value
    if isinstance(kind, EnumType):
        return value if kind.enum_class is None else kind.enum_class[value]
    python = kind.python_type
    reader = _READERS.get(python)
    return value if reader is None or isinstance(value, python) else reader(value)


_READERS: dict[type, Any] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda seconds: timedelta(seconds=seconds),
    Decimal: Decimal,
    UUID: UUID,
    bytes: base64.b64decode,
    int: int,
    float: float,
}


# ---- written once --------------------------------------------------------------------------------


@event.listens_for(Table, "after_create")
def _protect(table: Table, connection: Connection, **_: Any) -> None:
    # Told by its shape, because the tables that a migration makes are not those of the models.
    if _is_version_table(table):
        quote = connection.dialect.identifier_preparer
        names = {"on": quote.format_table(table), "says": _SAYS}
        names |= {part: _name(table, part, connection.dialect) for part in _PARTS}
        for statement in _PROTECT.get(_family(connection.dialect), ()):
            connection.exec_driver_sql(statement.format(**names))


@event.listens_for(Table, "after_drop")
def _unprotect(table: Table, connection: Connection, **_: Any) -> None:
    if _is_version_table(table) and _family(connection.dialect) == "postgresql":
        name = _name(table, "refuse", connection.dialect)
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}()")


def _is_version_table(table: Table) -> bool:
    return table.name.endswith("_versions") and set(_OWN) <= set(table.columns.keys())


def _family(dialect: Dialect) -> str:
    return "mysql" if dialect.name == "mariadb" else dialect.name


def _name(table: Table, part: str, dialect: Dialect) -> str:
    """Return a quoted name for a trigger or function of the table, within 63 characters."""
    stem = table.name
    if len(stem) > _LONGEST_STEM:
        stem = f"{stem[:40]}_{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
    quote = dialect.identifier_preparer
    inside = part == "refuse" or dialect.name != "postgresql"  # a trigger there has no schema
    schema = f"{quote.quote(table.schema)}." if table.schema and inside else ""
    return schema + str(quote.quote(f"{stem}_{part}"))


_LONGEST_STEM = 49
_PARTS = ("refuse", "no_update", "no_delete")
_SAYS = "a version is written once: it is neither changed nor removed"
_PROTECT = {
    "sqlite": (
        "CREATE TRIGGER {no_update} BEFORE UPDATE ON {on} BEGIN SELECT RAISE(ABORT, '{says}'); END",
        "CREATE TRIGGER {no_delete} BEFORE DELETE ON {on} BEGIN SELECT RAISE(ABORT, '{says}'); END",
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION {refuse}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '{says}'; END $$"
        ),
        (
            "CREATE TRIGGER {no_update} BEFORE UPDATE OR DELETE ON {on} "
            "FOR EACH ROW EXECUTE FUNCTION {refuse}()"
        ),
    ),
    "mysql": (
        (
            "CREATE TRIGGER {no_update} BEFORE UPDATE ON {on} FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{says}'"
        ),
        (
            "CREATE TRIGGER {no_delete} BEFORE DELETE ON {on} FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{says}'"
        ),
    ),
}
