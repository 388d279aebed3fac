"""What a repository knows of its model: columns by field name, and the checks before a write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import ColumnElement, String, Table, Uuid, inspect
from sqlalchemy.types import Enum as EnumType
from sqlalchemy.types import TypeDecorator, TypeEngine

from infra_errors import ConfigError, ValidationError, Violation

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

__all__ = ["EntityMap", "ModelMap", "entity_map", "mapping_of"]

# Kept by the repository itself; nobody's values may set them unless `writable` says so.
_SYSTEM = frozenset({"created_at", "updated_at", "version", "deleted_at"})


_PLANS = 64  # sets of fields whose check is kept
_Look = tuple[str, bool, bool, int | None, frozenset[Any] | None]


@attrs.frozen(eq=False)
class Field:
    """One mapped column."""

    name: str
    column: Any  # the attribute of the model, for statements
    stored: Any  # the table's column
    nullable: bool
    required: bool  # an INSERT must name it
    takes_none: bool  # None is a value of it, not "fill it in"
    longest: int | None
    choices: frozenset[Any] | None
    is_uuid: bool
    private: bool
    system: bool


@attrs.frozen(eq=False)
class ModelMap:
    """A model's fields, keys and marks."""

    model: type[Any]
    table: Table
    fields: Mapping[str, Field]
    keys: tuple[str, ...]
    _plans: dict[tuple[Any, ...], list[_Look]] = attrs.field(factory=dict, init=False)
    _sets: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False)

    def has(self, name: str) -> bool:
        """Whether the model has this field."""
        return name in self.fields

    def field(self, name: str, allowed: Iterable[str]) -> Field:
        """Find a field by name; ValidationError `db.unknown_field` naming those allowed."""
        allowed = frozenset(allowed)
        if name not in allowed:
            message = f"{self.model.__name__} has no field {name!r} to use here; "
            message += f"there are {', '.join(sorted(allowed))}"
            raise ValidationError(message, code="db.unknown_field", field=name)
        return self.fields[name]

    def public(self) -> frozenset[str]:
        """The fields that callers may filter and sort by unless told otherwise."""
        return frozenset(name for name, field in self.fields.items() if not field.private)

    def writable(self) -> frozenset[str]:
        """The fields that callers may set unless told otherwise."""
        found = self._sets.get("writable")
        if found is None:
            names = (name for name, field in self.fields.items() if not field.system)
            found = self._sets["writable"] = frozenset(names)
        return found

    def coerce(self, name: str, value: Any) -> Any:
        """Read a UUID written as text; `db.invalid_id` for what is none."""
        field = self.fields[name]
        if field.is_uuid:
            return _to_uuid(self.model, name, value)
        return value

    def key(self, id: Any) -> dict[str, Any]:
        """Split an id into the primary key's fields; `db.invalid_id`."""
        values = (id,) if len(self.keys) == 1 else id
        if not isinstance(values, tuple) or len(values) != len(self.keys):
            raise _invalid_id(self.model, "/".join(self.keys))
        return {name: self._key_value(name, v) for name, v in zip(self.keys, values, strict=True)}

    def _key_value(self, name: str, value: Any) -> Any:
        field = self.fields[name]
        if field.is_uuid:
            return _to_uuid(self.model, name, value)
        kind = field.stored.type
        if isinstance(kind, TypeDecorator):
            return value
        expected = kind.python_type
        fits = isinstance(value, expected) and not (expected is int and isinstance(value, bool))
        if not fits:
            raise _invalid_id(self.model, name)
        return value

    def id_of(self, row: Any) -> Any:
        """The id of a model instance, or of a mapping."""
        get: Callable[[str], Any] = row.get if isinstance(row, Mapping) else _getter(row)
        values = tuple(get(name) for name in self.keys)
        return values[0] if len(values) == 1 else values

    def by_key(self, id: Any) -> list[ColumnElement[bool]]:
        """The conditions for one id."""
        return [self.fields[name].column == value for name, value in self.key(id).items()]

    def to_row(self, instance: Any) -> dict[str, Any]:
        """The values that were set on a model instance."""
        state = inspect(instance)
        return {name: state.dict[name] for name in self.fields if name in state.dict}

    def stored(self, names: Iterable[str]) -> list[str]:
        """The table's names of these fields."""
        return [self.fields[name].stored.key for name in names]

    def to_columns(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The same values under the table's names."""
        if self._is_named_alike():
            return dict(row)
        return {self.fields[name].stored.key: value for name, value in row.items()}

    def _is_named_alike(self) -> bool:
        if "alike" not in self._sets:
            others = (name for name, field in self.fields.items() if field.stored.key != name)
            self._sets["alike"] = frozenset(others)
        return not self._sets["alike"]

    def check(
        self,
        values: Mapping[str, Any],
        allowed: frozenset[str],
        *,
        complete: bool,
    ) -> dict[str, Any]:
        """Check what a caller wants to write; return it with UUIDs read.

        `complete` also asks for each field that a new row needs. Raises
        ValidationError `db.unknown_field`, `db.not_writable`, `db.not_null`, `db.too_long`,
        `db.check`, `db.invalid_id`.
        """
        shape = (tuple(values), allowed, complete)
        plan = self._plans.get(shape)
        if plan is not None and _is_clean(values, plan):
            return dict(values)
        for name in values:
            self.field(name, self.fields)
            if name not in allowed:
                message = f"{self.model.__name__}.{name} cannot be set here; "
                message += f"{', '.join(sorted(allowed)) or 'nothing'} can"
                raise ValidationError(message, code="db.not_writable", field=name)
        row = {name: self._checked_uuid(name, value) for name, value in values.items()}
        faults = [fault for name, value in row.items() if (fault := self._fault(name, value))]
        if complete:
            faults += [
                Violation(f"/{name}", "is required", "db.not_null")
                for name, field in self.fields.items()
                if field.required and name not in row
            ]
        if faults:
            what = "; ".join(f"{fault.path[1:]} {fault.message}" for fault in faults)
            message = f"{self.model.__name__}: {what}"
            raise ValidationError(message, code=faults[0].code, violations=faults)
        if plan is None and len(self._plans) < _PLANS:
            # The next row of these fields is looked at value by value, and not name by name.
            self._plans[shape] = [
                (name, field.is_uuid, field.nullable, field.longest, field.choices)
                for name in values
                for field in (self.fields[name],)
            ]
        return row

    def _checked_uuid(self, name: str, value: Any) -> Any:
        return value if value is None else self.coerce(name, value)

    def _fault(self, name: str, value: Any) -> Violation | None:
        field, path = self.fields[name], f"/{name}"
        if value is None:
            return None if field.nullable else Violation(path, "must not be null", "db.not_null")
        if field.longest is not None and isinstance(value, str) and len(value) > field.longest:
            message = f"is longer than {field.longest} characters"
            return Violation(path, message, "db.too_long")
        if field.choices is not None and value not in field.choices:
            return Violation(path, "is not one of the allowed values", "db.check")
        return None


def _is_clean(values: Mapping[str, Any], plan: list[_Look]) -> bool:
    """Say whether all values may stay as they are; no says only that a closer look is needed."""
    for name, is_uuid, nullable, longest, choices in plan:
        value = values[name]
        if value is None:
            if not nullable:
                return False
        elif (
            (is_uuid and type(value) is not UUID)
            or (longest is not None and isinstance(value, str) and len(value) > longest)
            or (choices is not None and value not in choices)
        ):
            return False
    return True


def mapping_of(model: type[Any]) -> ModelMap:
    """Read a mapped class; ConfigError `db.config` for one that a repository cannot serve."""
    mapper: Mapper[Any] | None = inspect(model, raiseerr=False)
    if mapper is None or not isinstance(mapper.local_table, Table) or len(mapper.tables) != 1:
        message = f"{model!r} is not a model mapped to one table"
        raise ConfigError(message, code="db.config")
    keys = tuple(mapper.get_property_by_column(c).key for c in mapper.primary_key)
    fields = {
        prop.key: _field(prop.key, getattr(model, prop.key), prop.columns[0], keys)
        for prop in mapper.column_attrs
        if prop.columns[0].table is mapper.local_table
    }
    return ModelMap(model, mapper.local_table, fields, keys)


def _field(name: str, attribute: Any, column: Any, keys: Sequence[str]) -> Field:
    kind = _plain_type(column.type)
    table = column.table
    made_by_server = column.server_default is not None or column.computed is not None
    counted = column is table.autoincrement_column
    fills_itself = column.default is not None or made_by_server or counted
    return Field(
        name=name,
        column=attribute,
        stored=column,
        nullable=bool(column.nullable),
        required=not (column.nullable or fills_itself),
        takes_none=bool(column.nullable) or not fills_itself,
        longest=kind.length
        if isinstance(kind, String) and not isinstance(kind, EnumType)
        else None,
        choices=_choices(kind),
        is_uuid=isinstance(column.type, Uuid) and column.type.as_uuid,  # a decorator reads its own
        private=bool(column.info.get("private")),
        system=name in keys or name in _SYSTEM or bool(column.info.get("system")),
    )


def _plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _choices(kind: TypeEngine[Any]) -> frozenset[Any] | None:
    if not isinstance(kind, EnumType):
        return None
    members = list(kind.enum_class or ())
    return frozenset(kind.enums) | frozenset(members)


def _getter(row: Any) -> Callable[[str], Any]:
    return lambda name: getattr(row, name)


def _to_uuid(model: type[Any], name: str, value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass  # answered below, without the text
    raise _invalid_id(model, name)


def _invalid_id(model: type[Any], name: str) -> ValidationError:
    message = f"this is not a valid {model.__name__}.{name}"
    return ValidationError(message, code="db.invalid_id", field=name)


# ---- attrs entities -----------------------------------------------------------------------------


@attrs.frozen(eq=False)
class EntityMap:
    """How a model's rows become an attrs class, and back."""

    entity: type[Any]
    arguments: tuple[tuple[str, str], ...]  # constructor's name, field

    def load(self, instance: Any) -> Any:
        """Make the entity of a model instance."""
        return self.entity(**{alias: getattr(instance, name) for alias, name in self.arguments})

    def to_row(self, entity: Any) -> dict[str, Any]:
        """The values of an entity."""
        return {name: getattr(entity, name) for _, name in self.arguments}


def entity_map(mapping: ModelMap, entity: type[Any]) -> EntityMap:
    """Match an attrs class with a model; ConfigError `db.config` for what does not fit."""
    if not attrs.has(entity):
        message = f"{entity!r} is not an attrs class"
        raise ConfigError(message, code="db.config")
    fields = [field for field in attrs.fields(entity) if field.init]
    names = {field.name for field in fields}
    unknown = sorted(names - set(mapping.fields))
    missing = sorted(n for n, f in mapping.fields.items() if f.required and n not in names)
    if unknown or missing:
        message = f"{entity.__name__} does not fit {mapping.model.__name__}: "
        message += f"no column for {unknown}" if unknown else f"no field for {missing}"
        raise ConfigError(message, code="db.config", unknown=unknown, missing=missing)
    return EntityMap(entity, tuple((field.alias or field.name, field.name) for field in fields))
