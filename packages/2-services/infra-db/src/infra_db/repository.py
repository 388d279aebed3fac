"""A repository over a declarative model: reads, pages, and writes that never commit."""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, get_args, get_origin

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy import exists as sql_exists
from sqlalchemy.orm import undefer

from infra_db._fast import FastReads, instances_of
from infra_db._mapping import entity_map, mapping_of
from infra_db._query import Query, load
from infra_db._writes import Change, Writes
from infra_db.paging import Page, Sort
from infra_db.search import SearchHit, search
from infra_db.transaction import ambient
from infra_errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from infra_db.database import Database
    from infra_db.filters import Where
    from infra_db.transaction import Transaction

__all__ = ["Change", "Repository"]

E = TypeVar("E")
ID = TypeVar("ID")

_MOST_ROWS = 1_000
_MOST_SKIPPED = 10_000
_IDS_AT_ONCE = 500  # well under every server's limit of bound parameters


class Repository(Writes[E, ID], Generic[E, ID]):
    """Reads and writes one model: `Repository(db, User)`, or a subclass that names its `model`.

    Results are instances of the model, or of the attrs class `entity`, detached and with all
    columns loaded; relationships are there if `options` asked for them. Calls join the task's open
    transaction; outside one, each call is a unit of its own.

    A subclass may set: `filterable`, `sortable`, `writable` (sets of field names; None means all
    but those marked `info={"private": True}`, or for writing the primary key, created_at,
    updated_at, version, deleted_at and those marked `info={"system": True}`), `default_sort`, and
    `transitions` (status to the statuses that may follow it).
    """

    def __init__(self, db: Database, model: type[E] | None = None) -> None:
        found = model or getattr(type(self), "model", None) or _declared_model(type(self))
        if found is None:
            message = f"{type(self).__name__} has no model; set it or pass Repository(db, Model)"
            raise ConfigError(message, code="db.config")
        self.db = db
        self.model: type[E] = found
        self._map = mapping_of(found)
        self._entity = entity_map(self._map, self.entity) if self.entity is not None else None
        self._query = Query(self)
        self._tx: Transaction | None = None
        self._loading: tuple[Any, ...] = ()
        deferred = any(getattr(found, name).property.deferred for name in self._map.fields)
        self._undefer = (undefer("*"),) if deferred else ()
        mapped: Any = found
        self._instances = instances_of(mapped, tuple(self._map.fields))

    def using(self, tx: Transaction) -> Self:
        """The same repository in this transaction, from whatever task."""
        bound = copy.copy(self)
        bound._tx = tx
        bound._query = Query(bound)
        return bound

    def options(self, *loader_options: Any) -> Self:
        """The same repository with loader options, such as `selectinload(User.roles)`."""
        bound = copy.copy(self)
        bound._loading = (*self._loading, *loader_options)
        bound._query = Query(bound)
        return bound

    # ---- one row ---------------------------------------------------------------------------------

    async def get_by_id(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E | None:
        """The row with this id, or None. A UUID may come as text; else `db.invalid_id`."""
        fast = None if for_update else self._fast()
        if fast is not None:
            key = (self.model, "id", include_deleted)
            return await self._fast_one(fast, key, self._map.key(id), include_deleted)
        statement = self._query.select(include_deleted=include_deleted).where(*self._map.by_key(id))
        return await self._one(statement.with_for_update() if for_update else statement)

    async def require(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E:
        """The row with this id; raises RecordNotFound."""
        found = await self.get_by_id(id, include_deleted=include_deleted, for_update=for_update)
        if found is None:
            raise self._not_found()
        return found

    async def get_by(self, **unique: Any) -> E | None:
        """The row with these values, or None; the first by primary key if there are several."""
        if not unique:
            message = "get_by needs at least one field"
            raise ValidationError(message, code="db.invalid_filter")
        where = self._query.conditions((), unique)
        fast = self._fast()
        if fast is not None and None not in unique.values():
            params = {name: self._map.coerce(name, value) for name, value in unique.items()}
            return await self._fast_one(fast, (self.model, "by", *params), params, False)
        keys = [self._map.fields[name].column for name in self._map.keys]
        return await self._one(self._query.select().where(*where).order_by(*keys).limit(1))

    async def get_many(self, ids: Iterable[ID]) -> dict[ID, E]:
        """The rows with these ids, by id; those that are not there are left out."""
        if len(self._map.keys) != 1:
            message = f"get_many needs a primary key of one column; {self.model.__name__} has more"
            raise ValidationError(message, code="db.invalid_id")
        (name,) = self._map.keys
        wanted = list(dict.fromkeys(self._map.key(id)[name] for id in ids))
        found: dict[ID, E] = {}
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            column = self._map.fields[name].column
            for row in await self._load(self._query.select().where(column.in_(part))):
                found[cast("ID", getattr(row, name))] = self._out(row)
        return found

    # ---- many rows -------------------------------------------------------------------------------

    async def get_all(
        self,
        *where: Where,
        skip: int = 0,
        limit: int = 100,
        sort: Sequence[Sort | str] = (),
        **filters: Any,
    ) -> list[E]:
        """Rows in order: the given sort, then `default_sort`, then the primary key.

        `limit` is 1 to 1000, `skip` 0 to 10 000: deeper goes `page`. Raises ValidationError
        `db.invalid_limit`, `db.unknown_field`, `db.invalid_filter`.
        """
        _check_limit(limit)
        if not isinstance(skip, int) or not 0 <= skip <= _MOST_SKIPPED:
            message = f"skip is 0 to {_MOST_SKIPPED}; go deeper with page()"
            raise ValidationError(message, code="db.invalid_limit")
        statement = self._query.ordered(where, filters, sort).limit(limit).offset(skip)
        return [self._out(row) for row in await self._load(statement)]

    async def page(
        self,
        *where: Where,
        limit: int = 50,
        cursor: str | None = None,
        sort: Sequence[Sort | str] = (),
        count_cap: int = 0,
        **filters: Any,
    ) -> Page[E]:
        """A page by cursor: as fast at any depth, nothing skipped or doubled by inserts elsewhere.

        Pass the same filters and sort with a cursor as it was made with, else `db.invalid_cursor`.
        `count_cap` above 0 also counts the rows, to at most that many.
        """
        _check_limit(limit)
        window = self._query.window(where, filters, sort, cursor)
        rows = await self._load(window.statement.limit(limit + 1))
        page = window.page(rows, limit)
        count = await self.count(*where, cap=count_cap, **filters) if count_cap > 0 else None
        return Page(
            items=tuple(self._out(row) for row in page.items),
            next_cursor=page.next_cursor,
            prev_cursor=page.prev_cursor,
            count=count,
            count_capped=count is not None and count >= count_cap,
        )

    async def stream(
        self, *where: Where, sort: Sequence[Sort | str] = (), batch: int = 500, **filters: Any
    ) -> AsyncIterator[E]:
        """All rows, read in batches by keyset; no connection is held between them."""
        _check_limit(batch)
        after: list[Any] | None = None
        while True:
            statement, values_of = self._query.after(where, filters, sort, after)
            rows = await self._load(statement.limit(batch))
            for row in rows:
                yield self._out(row)
            if len(rows) < batch:
                return
            after = values_of(rows[-1])

    async def count(self, *where: Where, cap: int | None = None, **filters: Any) -> int:
        """How many rows; with `cap` counting stops there."""
        conditions = self._query.conditions(where, filters)
        rows = select(self._map.fields[self._map.keys[0]].column).where(*conditions)
        rows = rows.where(*self._query.alive())
        if cap is not None:
            rows = rows.limit(cap)
        async with self._reading() as connection:
            result = await connection.execute(select(func.count()).select_from(rows.subquery()))
            return int(result.scalar_one())

    async def exists(self, *where: Where, **filters: Any) -> bool:
        """Whether there is such a row."""
        conditions = [*self._query.conditions(where, filters), *self._query.alive()]
        statement = select(sql_exists(select(self.model).where(*conditions)))
        fast = self._fast()
        if fast is not None and (rows := await fast.all(statement)) is not None:
            return bool(rows[0][0])
        async with self._reading() as connection:
            return bool((await connection.execute(statement)).scalar_one())

    async def search(self, query: str, *where: Where, limit: int = 20) -> list[SearchHit[E]]:
        """The rows that the text finds, best first, then by primary key; see `SearchIndex`.

        Words are ANDed; `"a phrase"`, `-not`, `this OR that`, `begin*`; the last word is also taken
        as a beginning. No text is an error; more than 512 characters or 32 terms are
        ValidationError, a model without index CapabilityError. `limit` is 1 to 1000.
        """
        return await search(self, query, where, limit)

    # ---- what reads and writes share -------------------------------------------------------------

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        if self._tx is None:
            async with self.db.reading() as connection:
                yield connection
        else:
            async with self.db.statement(self._tx) as connection:
                yield connection

    def _fast(self) -> FastReads | None:
        fast = self.db.fast_reads
        if fast is None or self._instances is None or self._tx is not None:
            return None
        if self._loading or self._undefer or ambient(self.db) is not None or not fast.is_on():
            return None
        return fast

    async def _fast_one(
        self, fast: FastReads, key: Any, params: dict[str, Any], include_deleted: bool
    ) -> E | None:
        instances = self._instances
        assert instances is not None

        def build() -> Select[Any]:
            fields = self._map.fields
            bound = [fields[n].stored == bindparam(n, type_=fields[n].stored.type) for n in params]
            statement = select(*instances.columns).where(*bound)
            if not include_deleted:
                statement = statement.where(*self._query.alive())
            if tuple(params) == self._map.keys:
                return statement
            return statement.order_by(*(fields[n].stored for n in self._map.keys)).limit(1)

        rows = await fast.named(key, build, params)
        return self._out(instances.make(rows[0])) if rows else None

    async def _one(self, statement: Select[Any]) -> E | None:
        rows = await self._load(statement)
        return self._out(rows[0]) if rows else None

    async def _load(self, statement: Select[Any]) -> list[Any]:
        fast = self._fast()
        if fast is not None and self._instances is not None:
            rows = await fast.all(statement.with_only_columns(*self._instances.columns))
            if rows is not None:
                return [self._instances.make(row) for row in rows]
        options = (*self._undefer, *self._loading)
        async with self._reading() as connection:
            return await connection.run_sync(load, statement.options(*options))


def _declared_model(repository: type[Any]) -> type[Any] | None:
    """The model named in `class Users(Repository[User, UUID])`."""
    for base in getattr(repository, "__orig_bases__", ()):
        if get_origin(base) is not None and isinstance(get_args(base)[0], type):
            return cast("type[Any]", get_args(base)[0])
    return None


def _check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_ROWS:
        message = f"limit is 1 to {_MOST_ROWS}"
        raise ValidationError(message, code="db.invalid_limit")
