"""Rows outside of a database: of a model or an attrs class, with a table's types and defaults."""

from __future__ import annotations

import copy
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin
from uuid import UUID

import attrs
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    inspect,
)
from sqlalchemy.dialects.sqlite import dialect as SqliteDialect  # noqa: N812  # it is a class
from sqlalchemy.orm import attributes, make_transient_to_detached
from sqlalchemy.types import Enum as EnumType
from sqlalchemy.types import NullType, TypeDecorator

from infra_db._mapping import ModelMap, _field, mapping_of
from infra_db._versions import default_of
from infra_db.backends import HOOKS
from infra_db.types import UtcDateTime
from infra_errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["DIALECT", "Twin"]

DIALECT = SqliteDialect()


class Twin:
    """One class of rows: what its table would check, fill in and give back."""

    def __init__(self, entity: type[Any], id_field: str, unique: Iterable[Any], hooks: Any) -> None:
        self.entity = entity
        self._hooks = hooks
        self.is_model = inspect(entity, raiseerr=False) is not None
        self.map = mapping_of(entity) if self.is_model else _map_of(entity, id_field, hooks)
        names = [(one,) if isinstance(one, str) else tuple(one) for one in unique]
        unknown = sorted({name for group in names for name in group} - self.map.fields.keys())
        if unknown:
            message = f"unique names {unknown}, which {entity.__name__} does not have"
            raise ConfigError(message, code="db.config")
        self.unique = (self.map.keys, *dict.fromkeys([*names, *self._declared()]))

    def _declared(self) -> list[tuple[str, ...]]:
        table = self.map.table
        names = {field.stored.key: name for name, field in self.map.fields.items()}
        columns = [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
        columns += [  # one with a condition holds for some rows only
            index.columns for index in table.indexes if index.unique and not index.dialect_kwargs
        ]
        return [tuple(names[column.key] for column in group) for group in columns]

    def filled(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return a new row with its defaults; `number` is the next one that the table counts."""
        context = SimpleNamespace(execution_options={HOOKS: self._hooks})
        made: dict[str, Any] = {}
        for name, field in self.map.fields.items():
            default = field.stored.default
            if name in row:
                made[name] = self.stored(name, row[name])
            elif field.stored is self.map.table.autoincrement_column and default is None:
                made[name] = number
            elif default is not None and default.is_callable:
                made[name] = self.stored(name, default.arg(context))
            else:
                made[name] = self.stored(name, default_of(field))
        return made

    def touched(self, row: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Return what an UPDATE sets beside the values it is given."""
        context = SimpleNamespace(execution_options={HOOKS: self._hooks})
        marks = {
            name: field.stored.onupdate.arg(context)
            for name, field in self.map.fields.items()
            if field.stored.onupdate is not None and field.stored.onupdate.is_callable
        }
        if self.map.has("updated_at"):
            marks.setdefault("updated_at", now)
        if self.map.has("version"):
            marks["version"] = row["version"] + 1
        return marks

    def stored(self, name: str, value: Any) -> Any:
        """Return a value as the table would give it back."""
        if value is None:
            return None
        kind = self.map.fields[name].stored.type
        value = self.map.coerce(name, value)
        if not isinstance(kind, TypeDecorator):
            return copy.deepcopy(value) if isinstance(value, dict | list) else value
        if type(kind).process_bind_param is not TypeDecorator.process_bind_param:
            value = kind.process_bind_param(value, DIALECT)
        if type(kind).process_result_value is not TypeDecorator.process_result_value:
            value = kind.process_result_value(value, DIALECT)
        return copy.deepcopy(value) if isinstance(value, dict | list) else value

    def make(self, row: Mapping[str, Any]) -> Any:
        """Build an object of a row, detached if it is a model's."""
        if not self.is_model:
            arguments = {a.alias or a.name: copy.deepcopy(row[a.name]) for a in _init(self.entity)}
            return self.entity(**arguments)
        instance = inspect(self.entity).class_manager.new_instance()
        self.fill(instance, row)
        make_transient_to_detached(instance)
        return instance

    def fill(self, instance: Any, row: Mapping[str, Any]) -> None:
        """Set a row's values on an instance of the model."""
        for name, value in row.items():
            attributes.set_committed_value(instance, name, copy.deepcopy(value))

    def read(self, entity: Any) -> dict[str, Any]:
        """The values of an object; None where the table would fill something in is left out."""
        if self.is_model:
            row = self.map.to_row(entity)
        else:
            row = {a.name: getattr(entity, a.name) for a in _init(self.entity)}
        fields = self.map.fields
        return {n: v for n, v in row.items() if v is not None or fields[n].takes_none}


def _init(entity: type[Any]) -> list[Any]:
    return [attribute for attribute in attrs.fields(entity) if attribute.init]


def _map_of(entity: type[Any], id_field: str, hooks: Any) -> ModelMap:
    if not attrs.has(entity) or id_field not in attrs.fields_dict(entity):
        message = f"{entity!r} is neither a model nor an attrs class with the field {id_field!r}"
        raise ConfigError(message, code="db.config")
    attrs.resolve_types(entity)
    columns = [_column(attribute, id_field, hooks) for attribute in _init(entity)]
    table = Table(entity.__name__, MetaData(), *columns)
    keys = (id_field,)
    fields = {column.name: _field(column.name, column, column, keys) for column in table.columns}
    return ModelMap(entity, table, fields, keys)


def _column(attribute: Any, id_field: str, hooks: Any) -> Column[Any]:
    options = set(get_args(attribute.type)) if _is_union(attribute.type) else {attribute.type}
    plain = options - {NoneType}
    kind = _type(plain.pop()) if len(plain) == 1 else NullType()
    options_of: dict[str, Any] = {"nullable": NoneType in options or attribute.type is Any}
    default = attribute.default
    if attribute.name == id_field:
        options_of = {"primary_key": True}
        if isinstance(kind, Uuid) and default in {attrs.NOTHING, None}:
            default = attrs.Factory(hooks.id_factory)
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # it is a class at run time
        options_of["default"] = default.factory
    elif default is not attrs.NOTHING and default is not None:
        options_of["default"] = default
    return Column(attribute.name, kind, **options_of)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, UnionType}


def _type(kind: Any) -> Any:
    plain = get_origin(kind) or kind
    if isinstance(plain, type) and issubclass(plain, Enum):
        return EnumType(plain)
    return _TYPES.get(plain, NullType)()


_TYPES: Mapping[Any, Callable[[], Any]] = {
    str: String,
    int: Integer,
    float: Float,
    bool: Boolean,
    datetime: UtcDateTime,
    date: Date,
    UUID: Uuid,
    Decimal: Numeric,
    bytes: LargeBinary,
    dict: JSON,
    list: JSON,
}
