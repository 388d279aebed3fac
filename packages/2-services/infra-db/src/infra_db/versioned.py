"""Rows that keep every version of their content: history, differences, as-of reads, revert.

The row itself holds the current content and its number, so reading, listing and searching cost what
they cost on any table. Each version is a row of `<table>_versions`, written in the transaction that
made it, and never changed again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import Select, insert, update
from sqlalchemy.event import listens_for
from sqlalchemy.orm import attributes

from infra_db._history import History, VersionInfo, check_number, described
from infra_db._versions import version_table
from infra_db.errors import CapabilityError, RecordNotFound
from infra_db.models import VersionMixin
from infra_db.repository import Repository
from infra_db.types import FoldedStr
from infra_errors import ConfigError, ValidationError
from infra_json import diff

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from infra_db.database import Database
    from infra_db.transaction import Transaction

__all__ = ["VersionInfo", "VersionedMixin", "VersionedRepository"]

E = TypeVar("E")
ID = TypeVar("ID")
_MOST_VERSIONS = 1_000  # of one read
_RECORDED = frozenset({"create", "update", "delete", "restore"})


class VersionedMixin(VersionMixin):
    """A model whose content is versioned; its table gets a `<table>_versions` beside it.

    Name in `__unversioned__` the fields that are no content: a change of them alone makes no
    version. `status` is one of them always, and so are the keys, `version` and the timestamps.
    """

    __unversioned__: ClassVar[frozenset[str]] = frozenset()


@listens_for(VersionedMixin, "after_mapper_constructed", propagate=True)
def _add_version_table(mapper: Any, _: type[Any]) -> None:
    version_table(mapper.local_table)


class VersionedRepository(Repository[E, ID], Generic[E, ID]):
    """A repository of a `VersionedMixin` model: each change of content makes one version.

    Numbers have no gap, whoever writes at the same time; `expected_version` refuses a lost update.
    Write through the repository: what `tx.session` or `db.execute` changes makes no version.
    """

    def __init__(self, db: Database, model: type[E] | None = None) -> None:
        super().__init__(db, model)
        if not issubclass(self.model, VersionedMixin):
            message = f"{self.model.__name__} is not versioned; give it the VersionedMixin"
            raise ConfigError(message, code="db.config")
        unknown = sorted(self.model.__unversioned__ - self._map.fields.keys())
        if unknown:
            message = f"{self.model.__name__}.__unversioned__ names {unknown}, which are no fields"
            raise ConfigError(message, code="db.config", unknown=unknown)
        self._unversioned: frozenset[str] = self.model.__unversioned__ | {"status"}
        self._history = History(self._map, self._unversioned, db.engine.dialect)

    # ---- reading ---------------------------------------------------------------------------------

    async def get_by_id(
        self,
        id: ID,
        *,
        version: int | None = None,
        as_of: datetime | None = None,
        include_deleted: bool = False,
        for_update: bool = False,
    ) -> E | None:
        """The row now, or its content at a version, or as of a time; None if it was not there.

        `as_of` is an aware datetime: the last version recorded at or before it counts. A version
        that records a deletion is None unless `include_deleted`. Fields that are not versioned are
        those of today, or their defaults once the row is gone.
        """
        if version is None and as_of is None:
            return await super().get_by_id(
                id, include_deleted=include_deleted, for_update=for_update
            )
        statement = self._history.of(id).order_by(self._history.table.c.version.desc()).limit(1)
        found = await self._fetch(statement.where(self._history.at(version, as_of)))
        if not found or (found[0].operation == "delete" and not include_deleted):
            return None
        return await self._rebuilt(id, found[0])

    async def get_by_slug(self, slug: str) -> E | None:
        """The row with this slug, whatever its case; one that was renamed has the new one only.

        The model needs `slug: FoldedStr`, unique; else CapabilityError.
        """
        field = self._map.fields.get("slug")
        if field is None or not isinstance(field.stored.type, FoldedStr):
            message = (
                f"{self._map.model.__name__} has no slug; give it a unique FoldedStr of that name"
            )
            raise CapabilityError(message)
        return await self._one(self._query.select().where(field.column == slug).limit(1))

    async def get_version_history(
        self, id: ID, *, after: int = 0, limit: int = 100
    ) -> list[VersionInfo]:
        """The versions with a number above `after`, oldest first; also of a row that is gone."""
        check_number(after, 0, "after")
        if (
            isinstance(limit, bool)
            or not isinstance(limit, int)
            or not 1 <= limit <= _MOST_VERSIONS
        ):
            message = f"limit is 1 to {_MOST_VERSIONS}"
            raise ValidationError(message, code="db.invalid_limit")
        number = self._history.table.c.version
        # One more before the first, because a version is described by what it changed.
        statement = self._history.of(id).where(number >= after).order_by(number).limit(limit + 1)
        return list(described(await self._fetch(statement), after, limit))

    async def diff(self, id: ID, a: int, b: int) -> list[dict[str, object]]:
        """The JSON Patch (RFC 6902) from the content of version `a` to that of `b`."""
        first, second = await self._content(id, a), await self._content(id, b)
        return cast("list[dict[str, object]]", diff(first, second).to_list())

    # ---- writing ---------------------------------------------------------------------------------

    async def create(self, values: Mapping[str, Any], *, by: str | None = None) -> E:
        """Insert a row, and its version 1 recorded by `by`; raises what `Repository` raises."""
        row = self._map.check(values, self._allowed(), complete=True)
        self._give_id(row)
        async with self._writing() as tx:
            made = await self._inserted(tx, row)
            await self._changed(tx, "create", None, made, by)
        return self._out(made)

    async def insert_many(
        self, rows: Iterable[Mapping[str, Any] | E], *, chunk: int = 1000, by: str | None = None
    ) -> int:
        """Insert all rows in one transaction, each with its version 1; return how many."""
        if chunk < 1:
            message = "chunk is at least 1"
            raise ValidationError(message, code="db.invalid_limit")
        count = 0
        async with self._writing() as tx:
            for row in rows:
                made = await self._inserted(tx, self._new_row(row, self._allowed()))
                await self._changed(tx, "create", None, made, by)
                count += 1
        return count

    async def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        *,
        on: Sequence[str],
        update: Sequence[str] | None = None,
        chunk: int = 1000,
    ) -> int:
        """Raise CapabilityError: the database does not tell what an upsert replaced."""
        message = (
            "an upsert does not tell what it replaced; use create and update on versioned rows"
        )
        raise CapabilityError(message)

    async def update(
        self,
        id: ID,
        values: Mapping[str, Any],
        *,
        expected_version: int | None = None,
        by: str | None = None,
    ) -> E:
        """Change these fields and make a version; of unversioned fields alone it makes none."""
        if not values:
            message = "update needs at least one field"
            raise ValidationError(message, code="db.not_writable")
        row = self._map.check(values, self._allowed(), complete=False)
        return await self._update("update", id, row, expected_version=expected_version, by=by)

    async def delete(
        self,
        id: ID,
        *,
        strict: bool = False,
        hard: bool = False,
        expected_version: int | None = None,
        by: str | None = None,
    ) -> bool:
        """Remove a row, or mark it deleted; a last version says so, and the history stays."""
        try:
            if self._map.has("deleted_at") and not hard:
                mark = {"deleted_at": self._now()}
                await self._update("delete", id, mark, expected_version=expected_version, by=by)
            else:
                await self._remove_recorded(id, expected_version, by)
        except RecordNotFound:
            if strict:
                raise
            return False
        return True

    async def restore(self, id: ID, *, by: str | None = None) -> E:
        """Undo a soft delete, and record that; RecordNotFound for a row that is not deleted."""
        if not self._map.has("deleted_at"):
            message = f"{self._map.model.__name__} has no deleted_at: its rows are removed for good"
            raise CapabilityError(message)
        return await self._update("restore", id, {"deleted_at": None}, deleted=True, by=by)

    async def revert(
        self, id: ID, version: int, *, by: str | None = None, expected_version: int | None = None
    ) -> E:
        """Make a new version with the content of an old one; RecordNotFound if there is none."""
        async with self._writing() as tx:
            row = self._history.codec.decode(await self.using(tx)._content(id, version))
            return await self._update("update", id, row, expected_version=expected_version, by=by)

    # ---- one version -----------------------------------------------------------------------------

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
        if operation in {"update", "status"} and row.keys() <= self._unversioned:
            # The number stays: nothing that it counts has changed.
            operation, row = "status", {**row, "version": self._map.fields["version"].column}
        return await super()._update(
            operation, id, row, expected_version=expected_version, deleted=deleted, by=by
        )

    async def _remove_recorded(self, id: ID, expected: int | None, by: str | None) -> None:
        async with self._writing() as tx:
            old = await self._locked(tx, id, deleted=None)
            if old is None:
                raise self._not_found()
            await super()._remove(id, expected, by)
            attributes.set_committed_value(old, "version", old.version + 1)
            await self._record(tx, "delete", old, by)

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
        if operation in _RECORDED and after is not None:
            await self._record(tx, operation, after, by)
        await super()._changed(tx, operation, before, after, by, id=id)

    async def _record(self, tx: Transaction, operation: str, row: Any, by: str | None) -> None:
        key = self._map.id_of(row)
        last = await self._last(tx, key)
        if operation == "create" and last is not None:
            await self._number_on(tx, key, row, last.version + 1)
        content, digest = self._history.codec.encode(row)
        now = self._now()
        values: dict[str, Any] = {
            **self._history.key(key),
            "version": row.version,
            "operation": operation,
            "content": content,
            "sha256": digest,
            "recorded_at": now if last is None else max(now, last.recorded_at),
            "recorded_by": by,
        }
        async with self.db.statement(tx) as connection:
            await connection.execute(insert(self._history.table).values(values))

    async def _last(self, tx: Transaction, id: Any) -> Any:
        async with self.db.statement(tx) as connection:
            return (await connection.execute(self._history.last(id))).first()

    async def _number_on(self, tx: Transaction, id: Any, row: Any, number: int) -> None:
        """Continue the history of an id that is used again."""
        statement = update(self._map.table).where(*self._map.by_key(id)).values(version=number)
        async with self.db.statement(tx) as connection:
            await connection.execute(statement)
        attributes.set_committed_value(row, "version", number)

    # ---- what was recorded -----------------------------------------------------------------------

    async def _fetch(self, statement: Select[Any]) -> list[Row[Any]]:
        async with self._reading() as connection:
            return list((await connection.execute(statement)).fetchall())

    async def _content(self, id: Any, version: int) -> dict[str, Any]:
        found = await self._fetch(self._history.of(id).where(self._history.at(version, None)))
        if not found:
            name = self._map.model.__name__
            message = f"this {name} has no version {version}"
            raise RecordNotFound(message, model=name, version=version)
        return cast("dict[str, Any]", json.loads(found[0].content))

    async def _rebuilt(self, id: Any, found: Row[Any]) -> E:
        """Build the row as it was at a version; what no version holds is today's."""
        today = self._query.select(include_deleted=True).where(*self._map.by_key(id))
        head = next(iter(await self._load(today)), None)
        begun = None
        if head is None and self._map.has("created_at"):
            begun = await self._begun(id)
        return self._out(self._history.rebuilt(id, found, head, begun))

    async def _begun(self, id: Any) -> datetime:
        first = self._history.of(id).order_by(self._history.table.c.version).limit(1)
        return cast("datetime", (await self._fetch(first))[0].recorded_at)
