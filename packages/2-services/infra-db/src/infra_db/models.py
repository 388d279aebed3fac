"""The declarative base and the columns that most tables share; your own base does as well."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID  # noqa: TC003  # SQLAlchemy reads the annotation

from sqlalchemy import (
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    inspect,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from infra_db.backends import HOOKS
from infra_db.types import JsonDict, UtcDateTime
from infra_id import uuid7

__all__ = ["Base", "IdMixin", "SoftDeleteMixin", "TimestampMixin", "VersionMixin"]


class Base(DeclarativeBase):
    """A declarative base whose constraints have names, whose datetimes are aware and in UTC.

    A foreign key gets an index unless a key or an index of the table begins with its columns. The
    repr shows the primary key and nothing else. For tables of your own that should not share this
    class's metadata, derive a base: `class AppBase(Base): __abstract__ = True; metadata = …`.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        str: String().with_variant(LONGTEXT(), "mysql", "mariadb"),  # which asks for a length
        dict: JsonDict,
        dict[str, Any]: JsonDict,
        dict[str, object]: JsonDict,
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        table = cls.__dict__.get("__table__")
        if isinstance(table, Table):
            _index_foreign_keys(table)
            for server in ("mysql", "mariadb"):  # text is compared exactly, as elsewhere
                table.dialect_kwargs.setdefault(f"{server}_charset", "utf8mb4")
                table.dialect_kwargs.setdefault(f"{server}_collate", "utf8mb4_bin")

    def __repr__(self) -> str:
        state = inspect(self)
        names = [state.mapper.get_property_by_column(c).key for c in state.mapper.primary_key]
        keys = " ".join(f"{name}={state.dict.get(name)}" for name in names)
        return f"<{type(self).__name__} {keys}>"


def _index_foreign_keys(table: Table) -> None:
    covered = [tuple(table.primary_key.columns.keys())]
    covered += [tuple(index.columns.keys()) for index in table.indexes]
    covered += [
        tuple(constraint.columns.keys())
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    for key in table.constraints:
        if not isinstance(key, ForeignKeyConstraint):
            continue
        names = tuple(key.columns.keys())
        if not any(have[: len(names)] == names for have in covered):
            Index(None, *key.columns)
            covered.append(names)


def _now(context: Any) -> datetime:
    # One reading a statement, so that created_at and updated_at of a new row are equal.
    now: datetime | None = getattr(context, "infra_db_now", None)
    if now is None:
        hooks = context.execution_options.get(HOOKS)
        now = datetime.fromtimestamp(hooks.clock() if hooks is not None else time.time(), UTC)
        context.infra_db_now = now
    return now


def _new_id(context: Any) -> UUID:
    hooks = context.execution_options.get(HOOKS)
    made: UUID = hooks.id_factory() if hooks is not None else uuid7()
    return made


class IdMixin:
    """`id`: a UUIDv7 primary key, there as soon as the object is made."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=_new_id, sort_order=-100)


@event.listens_for(IdMixin, "init", propagate=True)
def _give_id(target: IdMixin, _: Any, kwargs: dict[str, Any]) -> None:
    kwargs.setdefault("id", uuid7())


class TimestampMixin:
    """`created_at` and `updated_at`, by the database's clock parameter.

    `updated_at` changes with every statement that SQLAlchemy builds, not with raw SQL.
    """

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now, sort_order=100)
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=_now, onupdate=_now, sort_order=100
    )


class VersionMixin:
    """`version`: 1 at first, one more with every change; the guard against lost updates."""

    version: Mapped[int] = mapped_column(default=1, sort_order=100)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805  # a class method in SQLAlchemy's way
        return {"version_id_col": cls.version}


class SoftDeleteMixin:
    """`deleted_at`: set instead of removing the row; repositories then pass over it."""

    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None, sort_order=100)
