"""The writing half of a repository: each call is one statement or batch in a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import attrs
from sqlalchemy import ColumnElement, Executable, Insert, Update, delete, insert, select, update
from sqlalchemy.orm import attributes
from sqlalchemy.orm.util import identity_key

from infra_db._query import load
from infra_db.errors import CapabilityError, RecordNotFound, StaleVersion
from infra_db.models import IdMixin
from infra_db.transaction import Transaction, stale_data
from infra_db.types import UtcDateTime
from infra_errors import ValidationError

if TYPE_CHECKING:
    from infra_db._mapping import EntityMap, ModelMap
    from infra_db._query import Query
    from infra_db.database import Database
    from infra_db.paging import Sort

__all__ = ["Change", "Writes"]

E = TypeVar("E")
ID = TypeVar("ID")


@attrs.frozen
class Change:
    """What a repository call did to one row.

    `operation` is create, update, delete, restore, status or upsert; `before` and `after` are the
    row's fields, None where there was no row. An upsert does not know what was before.
    """

    operation: str
    id: Any
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    by: str | None = None


class Writes(Generic[E, ID]):
    """What `Repository` writes; use that class."""

    model: Any = None
    entity: ClassVar[type[Any] | None] = None
    filterable: ClassVar[frozenset[str] | None] = None
    sortable: ClassVar[frozenset[str] | None] = None
    writable: ClassVar[frozenset[str] | None] = None
    default_sort: ClassVar[tuple[Sort, ...]] = ()
    transitions: ClassVar[Mapping[str, frozenset[str]] | None] = None

    db: Database
    _map: ModelMap
    _entity: EntityMap | None
    _query: Query
    _tx: Transaction | None

    async def on_change(self, tx: Transaction, change: Change) -> None:
        """Called with each change before it commits; does nothing. What it raises rolls back."""

    async def create(self, values: Mapping[str, Any]) -> E:
        """Insert a row of these values and return it.

        Raises ValidationError `db.unknown_field`, `db.not_writable`, `db.not_null`, `db.too_long`,
        `db.check`; UniqueViolation; ForeignKeyViolation.
        """
        return await self._insert(self._map.check(values, self._allowed(), complete=True))

    async def add(self, entity: E) -> E:
        """Insert this object, with all its fields: it is trusted, `writable` is not asked.

        A model instance goes through the session, with the new objects it refers to, and stays in
        the transaction's session until that ends.
        """
        if self._entity is not None:
            return await self._insert(self._trusted(self._entity.to_row(entity)))
        self._trusted(self._map.to_row(entity))
        async with self._writing() as tx:
            await tx.flush()
            with tx.statement(), stale_data():
                # In a savepoint, because a failed flush would end the whole transaction's session.
                async with tx.session.begin_nested():
                    tx.session.add(entity)
                    await tx.session.flush()
                unread = set(self._map.fields) - set(self._map.to_row(entity))
                if unread:
                    await tx.session.refresh(entity, unread)
            await self._changed(tx, "create", None, entity)
        return entity

    async def insert_many(self, rows: Iterable[Mapping[str, Any] | E], *, chunk: int = 1000) -> int:
        """Insert all rows in one transaction, `chunk` at a time; return how many."""

        def statement(_: Sequence[str]) -> Insert:
            return insert(self._map.table)

        return await self._many(rows, statement, "create", frozenset(), chunk)

    async def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        *,
        on: Sequence[str],
        update: Sequence[str] | None = None,
        chunk: int = 1000,
    ) -> int:
        """Insert all rows; where the unique fields `on` are taken, update that row instead.

        `update` names the fields to take over, by default all that are given but `on`; with an
        empty one the old row stays. Of several rows with the same `on` the last wins.
        """
        for name in (*on, *(update or ())):
            self._map.field(name, self._map.fields)
        if not on:
            message = "upsert_many needs the unique fields that tell rows apart: on=[...]"
            raise ValidationError(message, code="db.unknown_field")
        kept = {*on, *self._map.keys, "created_at", "updated_at", "version"}

        def statement(names: Sequence[str]) -> Insert:
            taken = [name for name in names if name not in kept] if update is None else [*update]
            if taken and self._map.has("updated_at"):
                taken.append("updated_at")
            counted = ["version"] if taken and self._map.has("version") else []
            return self.db.backend.upsert(
                self._map.table,
                on=self._map.stored(on),
                update=self._map.stored(dict.fromkeys(taken)),
                count_up=self._map.stored(counted),
            )

        return await self._many(rows, statement, "upsert", frozenset(on), chunk)

    async def update(
        self, id: ID, values: Mapping[str, Any], *, expected_version: int | None = None
    ) -> E:
        """Change these fields of a row and return it.

        With `expected_version` only if the row still has it: else StaleVersion. Raises
        RecordNotFound, and what `create` raises.
        """
        if not values:
            message = "update needs at least one field"
            raise ValidationError(message, code="db.not_writable")
        row = self._map.check(values, self._allowed(), complete=False)
        return await self._update("update", id, row, expected_version=expected_version)

    async def delete(
        self,
        id: ID,
        *,
        strict: bool = False,
        hard: bool = False,
        expected_version: int | None = None,
    ) -> bool:
        """Remove a row, or mark it deleted if the model has `deleted_at` and not `hard`.

        Return whether it was there; with `strict` a missing one raises RecordNotFound.
        """
        try:
            if self._map.has("deleted_at") and not hard:
                row = {"deleted_at": self._now()}
                await self._update("delete", id, row, expected_version=expected_version)
            else:
                await self._remove(id, expected_version)
        except RecordNotFound:
            if strict:
                raise
            return False
        return True

    async def restore(self, id: ID) -> E:
        """Undo a soft delete; raises RecordNotFound for a row that is not deleted."""
        if not self._map.has("deleted_at"):
            message = f"{self._map.model.__name__} has no deleted_at: its rows are removed for good"
            raise CapabilityError(message)
        return await self._update("restore", id, {"deleted_at": None}, deleted=True)

    async def update_status(
        self, id: ID, status: str, *, by: str | None = None, expected_version: int | None = None
    ) -> E:
        """Change `status` to one that `transitions` lets follow, else `db.illegal_transition`."""
        self._map.field("status", self._map.fields)
        row = self._map.check({"status": status}, frozenset({"status"}), complete=False)
        async with self._writing() as tx:
            if self.transitions is not None:
                old = await self._locked(tx, id, deleted=False)
                if old is None:
                    raise self._not_found()
                self._check_transition(old.status, status)
            return await self._update("status", id, row, expected_version=expected_version, by=by)

    def _check_transition(self, old: str, new: str) -> None:
        following = (self.transitions or {}).get(old, frozenset())
        if new not in following:
            message = f"a {self._map.model.__name__} cannot go from {old} to {new}"
            raise ValidationError(message, code="db.illegal_transition", old=old, new=new)

    # ---- one statement each ----------------------------------------------------------------------

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Transaction]:
        if self._tx is None:
            async with self.db.writing() as tx:
                yield tx
        else:
            self._tx.require_writable()
            yield self._tx

    async def _insert(self, row: dict[str, Any]) -> E:
        self._give_id(row)
        async with self._writing() as tx:
            made = await self._inserted(tx, row)
            await self._changed(tx, "create", None, made)
        return self._out(made)

    async def _many(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        statement: Callable[[Sequence[str]], Insert],
        operation: str,
        given: frozenset[str],
        chunk: int,
    ) -> int:
        if chunk < 1:
            message = "chunk is at least 1"
            raise ValidationError(message, code="db.invalid_limit")
        count = 0
        allowed = self._allowed() | given
        async with self._writing() as tx:
            for batch in _batches(rows, chunk):
                checked = [self._new_row(row, allowed) for row in batch]
                # A batch statement has one list of columns: rows that name others are another one.
                for names, group in groupby(checked, key=tuple):
                    params = [self._map.to_columns(row) for row in group]
                    async with self.db.statement(tx) as connection:
                        await connection.execute(statement(names), params)
                if self._observed():
                    for row in checked:
                        await self._changed(tx, operation, None, row)
                count += len(batch)
        return count

    async def _update(
        self,
        operation: str,
        id: ID,
        row: dict[str, Any],
        *,
        expected_version: int | None = None,
        deleted: bool = False,
        by: str | None = None,
    ) -> E:
        statement = update(self._map.model).values(**self._with_marks(row))
        statement = statement.where(*self._map.by_key(id), *self._alive(deleted=deleted))
        statement = statement.where(*self._is_version(expected_version))
        async with self._writing() as tx:
            before = await self._before(tx, id, deleted=deleted)
            changed = await self._updated(tx, statement, id)
            if not changed:
                raise await self._why_nothing(tx, id, expected_version, deleted=deleted)
            _tell_session(tx, self._map, changed[0])
            await self._changed(tx, operation, before, changed[0], by)
        return self._out(changed[0])

    async def _remove(self, id: ID, expected_version: int | None, by: str | None = None) -> None:
        statement = delete(self._map.model).where(*self._map.by_key(id))
        statement = statement.where(*self._is_version(expected_version))
        async with self._writing() as tx:
            before = await self._before(tx, id, deleted=None)
            async with self.db.statement(tx) as connection:
                count = (await connection.execute(statement)).rowcount
            if not count:
                raise await self._why_nothing(tx, id, expected_version, deleted=None)
            _forget_in_session(tx, self._map, id)
            await self._changed(tx, "delete", before, None, by, id=id)

    async def _inserted(self, tx: Transaction, row: dict[str, Any]) -> Any:
        if self.db.engine.dialect.insert_returning:
            statement = insert(self._map.model).values(**row).returning(self._map.model)
            (made,) = await self._run(tx, statement)
            return made
        plain = insert(self._map.table).values(self._map.to_columns(row))
        async with self.db.statement(tx) as connection:
            result = await connection.execute(plain)
        keys = zip(self._map.keys, result.inserted_primary_key or (), strict=True)
        at = [self._map.fields[name].column == value for name, value in keys]
        (made,) = await self._run(tx, select(self._map.model).where(*at))
        return made

    async def _updated(self, tx: Transaction, statement: Update, id: ID) -> list[Any]:
        """Run an UPDATE; return the row as it is now, none if it touched none."""
        if self.db.engine.dialect.update_returning:
            return await self._run(tx, statement.returning(self._map.model))
        async with self.db.statement(tx) as connection:
            if not (await connection.execute(statement)).rowcount:
                return []
        return await self._run(tx, select(self._map.model).where(*self._map.by_key(id)))

    async def _run(self, tx: Transaction, statement: Executable) -> list[Any]:
        unsynchronized = statement.execution_options(synchronize_session=False)
        async with self.db.statement(tx) as connection:
            return await connection.run_sync(load, unsynchronized)

    async def _locked(self, tx: Transaction, id: ID, *, deleted: bool | None) -> Any | None:
        statement = select(self._map.model).where(*self._map.by_key(id)).with_for_update()
        rows = await self._run(tx, statement.where(*self._alive(deleted=deleted)))
        return rows[0] if rows else None

    async def _before(
        self, tx: Transaction, id: ID, *, deleted: bool | None
    ) -> Mapping[str, Any] | None:
        if not self._observed():
            return None
        row = await self._locked(tx, id, deleted=deleted)
        return None if row is None else self._map.to_row(row)

    async def _why_nothing(
        self, tx: Transaction, id: ID, expected: int | None, *, deleted: bool | None
    ) -> RecordNotFound | StaleVersion:
        row = await self._locked(tx, id, deleted=deleted)
        if row is None or expected is None:
            return self._not_found()
        message = f"this {self._map.model.__name__} was changed meanwhile: read it again"
        return StaleVersion(message, expected=expected, actual=row.version)

    async def _changed(
        self,
        tx: Transaction,
        operation: str,
        before: Mapping[str, Any] | None,
        after: Any,
        by: str | None = None,
        *,
        id: Any = None,
    ) -> None:
        if not self._observed():
            return
        row = after if after is None or isinstance(after, Mapping) else self._map.to_row(after)
        key = id if row is None else self._map.id_of(row)
        await self.on_change(tx, Change(operation, key, before, row, by))

    # ---- values ----------------------------------------------------------------------------------

    def _observed(self) -> bool:
        return type(self).on_change is not Writes.on_change

    def _allowed(self) -> frozenset[str]:
        return self._map.writable() if self.writable is None else frozenset(self.writable)

    def _new_row(self, row: Mapping[str, Any] | E, allowed: frozenset[str]) -> dict[str, Any]:
        if isinstance(row, Mapping):
            checked = self._map.check(row, allowed, complete=True)
        elif self._entity is not None and isinstance(row, self._entity.entity):
            checked = self._trusted(self._entity.to_row(row))
        else:
            checked = self._trusted(self._map.to_row(row))
        self._give_id(checked)
        return checked

    def _trusted(self, row: dict[str, Any]) -> dict[str, Any]:
        fields = self._map.fields
        # None for a column that fills itself means "not given".
        row = {n: v for n, v in row.items() if v is not None or fields[n].takes_none}
        return self._map.check(row, frozenset(fields), complete=False)

    def _give_id(self, row: dict[str, Any]) -> None:
        if row.get("id") is None and issubclass(self._map.model, IdMixin):
            row["id"] = self.db.id_factory()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.db.clock(), UTC)

    def _with_marks(self, row: dict[str, Any]) -> dict[str, Any]:
        marks: dict[str, Any] = {}
        if self._map.has("updated_at"):
            field = self._map.fields["updated_at"]
            if field.stored.onupdate is None and isinstance(field.stored.type, UtcDateTime):
                marks["updated_at"] = self._now()
        if self._map.has("version"):
            marks["version"] = self._map.fields["version"].column + 1
        return {**marks, **row}

    def _alive(self, *, deleted: bool | None) -> list[ColumnElement[bool]]:
        if deleted is None or not self._map.has("deleted_at"):
            return []
        column = self._map.fields["deleted_at"].column
        return [column.is_not(None) if deleted else column.is_(None)]

    def _is_version(self, expected: int | None) -> list[ColumnElement[bool]]:
        if expected is None:
            return []
        if not self._map.has("version"):
            message = f"{self._map.model.__name__} has no version to expect"
            raise CapabilityError(message)
        return [self._map.fields["version"].column == expected]

    def _not_found(self) -> RecordNotFound:
        name = self._map.model.__name__
        return RecordNotFound(f"there is no such {name}", model=name)

    def _out(self, row: Any) -> E:
        return cast("E", row if self._entity is None else self._entity.load(row))


def _batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def _tell_session(tx: Transaction, mapping: ModelMap, row: Any) -> None:
    """Set what was written on the instance that the transaction's session may hold."""
    held = tx.held(identity_key(instance=row))
    if held is not None:
        for name, value in mapping.to_row(row).items():
            attributes.set_committed_value(held, name, value)


def _forget_in_session(tx: Transaction, mapping: ModelMap, id: Any) -> None:
    held = tx.held(identity_key(mapping.model, tuple(mapping.key(id).values())))
    if held is not None:
        tx.session.expunge(held)
