"""A repository over a dict: the in-memory twin of `Repository`, for tests of what uses one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from infra_db._memory_search import found_in
from infra_db._predicate import compare, holds, in_order
from infra_db._query import Query, Window
from infra_db._twin import DIALECT, Twin
from infra_db.errors import (
    CapabilityError,
    QueryError,
    RecordNotFound,
    StaleVersion,
    UniqueViolation,
)
from infra_db.filters import Filter
from infra_db.paging import Page, Sort
from infra_db.search import SearchHit
from infra_errors import ValidationError
from infra_id import uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from uuid import UUID

    from infra_db.filters import Where

__all__ = ["MemoryRepository"]

E = TypeVar("E")
ID = TypeVar("ID")
_MOST_ROWS = 1_000
_MOST_SKIPPED = 10_000


class MemoryRepository(Generic[E, ID]):
    """Rows of a declarative model or an attrs class, kept in a dict, with a table's manners.

    `MemoryRepository(User)`: types, defaults, unique keys, allow lists, versions, soft deletion,
    filters, order and cursors are those of `Repository`, which passes the same contract. There are
    no transactions, relationships, foreign keys and SQL expressions. For an attrs class `id_field`
    names its key; `unique` names further fields, or tuples of them, that must be unique. `clock`
    gives wall seconds, `id_factory` the ids that are UUIDs.
    """

    filterable: ClassVar[frozenset[str] | None] = None
    sortable: ClassVar[frozenset[str] | None] = None
    writable: ClassVar[frozenset[str] | None] = None
    default_sort: ClassVar[tuple[Sort, ...]] = ()
    transitions: ClassVar[Mapping[str, frozenset[str]] | None] = None

    def __init__(
        self,
        entity: type[E],
        *,
        id_field: str = "id",
        unique: Iterable[str | Sequence[str]] = (),
        clock: Callable[[], float] = time.time,
        id_factory: Callable[[], UUID] = uuid7,
    ) -> None:
        self._clock = clock
        hooks = SimpleNamespace(clock=clock, id_factory=id_factory)
        self._twin = Twin(entity, id_field, unique, hooks)
        self._map = self._twin.map
        self._rows: dict[Any, dict[str, Any]] = {}
        self._number = 0
        # A query builds SQL, which is not run: what it refuses, this repository refuses as well.
        settings = SimpleNamespace(cursor_keys=())
        database = SimpleNamespace(settings=settings, engine=SimpleNamespace(dialect=DIALECT))
        view = SimpleNamespace(
            db=database,
            _map=self._map,
            filterable=self.filterable,
            sortable=self.sortable,
            default_sort=self.default_sort,
        )
        self._query = Query(cast("Any", view))

    # ---- reading ---------------------------------------------------------------------------------

    async def get_by_id(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E | None:
        """The row with this id, or None; `for_update` means nothing here."""
        row = self._rows.get(self._key(id))
        return self._out(row) if row and (include_deleted or self._is_alive(row)) else None

    async def require(
        self, id: ID, *, include_deleted: bool = False, for_update: bool = False
    ) -> E:
        """The row with this id; raises RecordNotFound."""
        found = await self.get_by_id(id, include_deleted=include_deleted)
        if found is None:
            raise self._not_found()
        return found

    async def get_by(self, **unique: Any) -> E | None:
        """The row with these values, or None."""
        if not unique:
            message = "get_by needs at least one field"
            raise ValidationError(message, code="db.invalid_filter")
        found = in_order(self._query._keys(()), self._matching((), unique))
        return self._out(found[0]) if found else None

    async def get_many(self, ids: Iterable[ID]) -> dict[ID, E]:
        """The rows with these ids, by id."""
        keys = dict.fromkeys(self._key(id) for id in ids)
        rows = {key[0]: self._rows.get(key) for key in keys}
        return {id: self._out(row) for id, row in rows.items() if row and self._is_alive(row)}

    async def get_all(
        self,
        *where: Where,
        skip: int = 0,
        limit: int = 100,
        sort: Sequence[Sort | str] = (),
        **filters: Any,
    ) -> list[E]:
        """Rows in order."""
        _check_limit(limit)
        if not isinstance(skip, int) or not 0 <= skip <= _MOST_SKIPPED:
            message = f"skip is 0 to {_MOST_SKIPPED}; go deeper with page()"
            raise ValidationError(message, code="db.invalid_limit")
        rows = in_order(self._query._keys(sort), self._matching(where, filters))
        return [self._out(row) for row in rows[skip : skip + limit]]

    async def page(
        self,
        *where: Where,
        limit: int = 50,
        cursor: str | None = None,
        sort: Sequence[Sort | str] = (),
        count_cap: int = 0,
        **filters: Any,
    ) -> Page[E]:
        """A page by cursor."""
        _check_limit(limit)
        keys = self._query._keys(sort)
        rows = in_order(keys, self._matching(where, filters))
        total, backward = len(rows), False
        scope = self._query._scope(where, filters, keys)
        if cursor is not None:
            at, backward = self._query._codec.decode(cursor, keys, scope=scope)
            side = -1 if backward else 1
            rows = [r for r in rows if compare(keys, [r[k.sort.field] for k in keys], at) == side]
        read = [self._out(row) for row in (rows[::-1] if backward else rows)[: limit + 1]]
        window = Window(cast("Any", None), keys, self._query._codec, scope, backward, bool(cursor))
        page = window.page(read, limit)
        return Page(
            items=tuple(page.items),
            next_cursor=page.next_cursor,
            prev_cursor=page.prev_cursor,
            count=min(total, count_cap) if count_cap > 0 else None,
            count_capped=count_cap > 0 and total >= count_cap,
        )

    async def stream(
        self, *where: Where, sort: Sequence[Sort | str] = (), batch: int = 500, **filters: Any
    ) -> AsyncIterator[E]:
        """All rows, as they are when the first is asked for."""
        _check_limit(batch)
        for row in in_order(self._query._keys(sort), self._matching(where, filters)):
            yield self._out(row)

    async def count(self, *where: Where, cap: int | None = None, **filters: Any) -> int:
        """How many rows; with `cap` at most that."""
        found = len(self._matching(where, filters))
        return found if cap is None else min(found, cap)

    async def exists(self, *where: Where, **filters: Any) -> bool:
        """Whether there is such a row."""
        return bool(self._matching(where, filters))

    async def search(self, query: str, *where: Where, limit: int = 20) -> list[SearchHit[E]]:
        """The rows that the text finds, as the databases find them but for stemming."""
        _check_limit(limit)
        keys = self._query._keys(())
        rows = found_in(self._twin, query, in_order(keys, self._matching(where, {})))
        return [SearchHit(self._out(row), score) for row, score in rows[:limit]]

    # ---- writing ---------------------------------------------------------------------------------

    async def create(self, values: Mapping[str, Any]) -> E:
        """Insert a row of these values."""
        return self._out(self._insert(self._map.check(values, self._allowed(), complete=True)))

    async def add(self, entity: E) -> E:
        """Insert this object, with all its fields."""
        row = self._insert(self._trusted(entity))
        if self._twin.is_model:
            self._twin.fill(entity, row)
            return entity
        return self._out(row)

    async def insert_many(self, rows: Iterable[Mapping[str, Any] | E], *, chunk: int = 1000) -> int:
        """Insert all rows or none; return how many."""
        return self._all_or_none(rows, chunk, frozenset(), self._insert)

    async def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        *,
        on: Sequence[str],
        update: Sequence[str] | None = None,
        chunk: int = 1000,
    ) -> int:
        """Insert all rows; where the unique fields `on` are taken, update that row instead."""
        for name in (*on, *(update or ())):
            self._map.field(name, self._map.fields)
        if not on:
            message = "upsert_many needs the unique fields that tell rows apart: on=[...]"
            raise ValidationError(message, code="db.unknown_field")
        if not any(set(on) == set(group) for group in self._twin.unique):
            message = f"no unique key of {self._map.model.__name__} has just the fields {list(on)}"
            raise QueryError(message)
        kept = {*on, *self._map.keys, "created_at", "updated_at", "version"}

        def write(row: dict[str, Any]) -> None:
            new = self._twin.filled(row, self._number + 1)
            old = self._holder(tuple(on), new)
            taken = [name for name in row if name not in kept] if update is None else update
            if old is None:
                self._insert(row)
            elif taken:
                self._change(old, {name: new[name] for name in taken})

        return self._all_or_none(rows, chunk, frozenset(on), write)

    async def update(
        self, id: ID, values: Mapping[str, Any], *, expected_version: int | None = None
    ) -> E:
        """Change these fields of a row and return it."""
        if not values:
            message = "update needs at least one field"
            raise ValidationError(message, code="db.not_writable")
        row = self._map.check(values, self._allowed(), complete=False)
        return self._out(self._change(self._found(id, expected_version), row))

    async def delete(
        self,
        id: ID,
        *,
        strict: bool = False,
        hard: bool = False,
        expected_version: int | None = None,
    ) -> bool:
        """Remove a row, or mark it deleted; return whether it was there."""
        soft = self._map.has("deleted_at") and not hard
        try:
            row = self._found(id, expected_version, deleted=False if soft else None)
        except RecordNotFound:
            if strict:
                raise
            return False
        if soft:
            self._change(row, {"deleted_at": self._now()})
        else:
            del self._rows[self._key_of(row)]
        return True

    async def restore(self, id: ID) -> E:
        """Undo a soft delete; raises RecordNotFound for a row that is not deleted."""
        if not self._map.has("deleted_at"):
            message = f"{self._map.model.__name__} has no deleted_at: its rows are removed for good"
            raise CapabilityError(message)
        return self._out(self._change(self._found(id, None, deleted=True), {"deleted_at": None}))

    async def update_status(
        self, id: ID, status: str, *, by: str | None = None, expected_version: int | None = None
    ) -> E:
        """Change `status` to one that `transitions` lets follow; `by` means nothing here."""
        self._map.field("status", self._map.fields)
        values = self._map.check({"status": status}, frozenset({"status"}), complete=False)
        if self.transitions is not None:
            old = self._found(id, None)["status"]
            if status not in self.transitions.get(old, frozenset()):
                message = f"a {self._map.model.__name__} cannot go from {old} to {status}"
                raise ValidationError(message, code="db.illegal_transition", old=old, new=status)
        return self._out(self._change(self._found(id, expected_version), values))

    # ---- rows ------------------------------------------------------------------------------------

    def _matching(
        self, where: Sequence[Where], filters: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        self._query.conditions(where, filters)  # raises what is wrong with them
        every = [*where, *(Filter(name, "eq", value) for name, value in filters.items())]
        return [
            row
            for row in self._rows.values()
            if self._is_alive(row)
            and all(holds(one, row, self._map.fields, self._twin.stored) for one in every)
        ]

    def _found(
        self, id: Any, expected: int | None, *, deleted: bool | None = False
    ) -> dict[str, Any]:
        if expected is not None and not self._map.has("version"):
            message = f"{self._map.model.__name__} has no version to expect"
            raise CapabilityError(message)
        row = self._rows.get(self._key(id))
        if row is None or (deleted is not None and self._is_alive(row) is deleted):
            raise self._not_found()
        if expected is not None and row["version"] != expected:
            message = f"this {self._map.model.__name__} was changed meanwhile: read it again"
            raise StaleVersion(message, expected=expected, actual=row["version"])
        return row

    def _insert(self, row: dict[str, Any]) -> dict[str, Any]:
        made = self._twin.filled(row, self._number + 1)
        self._require_unique(made, None)
        key = self._key_of(made)
        self._rows[key] = made
        if isinstance(key[0], int):
            self._number = max(self._number, key[0])
        return made

    def _change(self, row: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        stored = {name: self._twin.stored(name, value) for name, value in values.items()}
        changed = {**row, **self._twin.touched(row, self._now()), **stored}
        self._require_unique(changed, row)
        row.update(changed)
        return row

    def _all_or_none(
        self,
        rows: Iterable[Mapping[str, Any] | E],
        chunk: int,
        given: frozenset[str],
        write: Callable[[dict[str, Any]], Any],
    ) -> int:
        if chunk < 1:
            message = "chunk is at least 1"
            raise ValidationError(message, code="db.invalid_limit")
        before = {key: dict(row) for key, row in self._rows.items()}
        count = 0
        try:
            for row in rows:
                if isinstance(row, Mapping):
                    write(self._map.check(row, self._allowed() | given, complete=True))
                else:
                    write(self._trusted(row))
                count += 1
        except BaseException:
            self._rows = before
            raise
        return count

    def _require_unique(self, row: Mapping[str, Any], itself: Mapping[str, Any] | None) -> None:
        for names in self._twin.unique:
            holder = self._holder(names, row)
            if holder is not None and holder is not itself:
                listed = ", ".join(names)
                message = f"another row of {self._map.table.name} already has this {listed}"
                raise UniqueViolation(message, fields=list(names), table=self._map.table.name)

    def _holder(self, names: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any] | None:
        if any(row[name] is None for name in names):
            return None  # NULLs are all different
        if tuple(names) == self._map.keys:
            return self._rows.get(self._key_of(row))
        same = (r for r in self._rows.values() if all(r[name] == row[name] for name in names))
        return next(same, None)

    # ---- values ----------------------------------------------------------------------------------

    def _trusted(self, entity: E) -> dict[str, Any]:
        row = self._twin.read(entity)
        return self._map.check(row, frozenset(self._map.fields), complete=False)

    def _allowed(self) -> frozenset[str]:
        return self._map.writable() if self.writable is None else frozenset(self.writable)

    def _key(self, id: Any) -> tuple[Any, ...]:
        return tuple(self._map.key(id).values())

    def _key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._map.keys)

    def _is_alive(self, row: Mapping[str, Any]) -> bool:
        return row.get("deleted_at") is None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _not_found(self) -> RecordNotFound:
        name = self._map.model.__name__
        return RecordNotFound(f"there is no such {name}", model=name)

    def _out(self, row: Mapping[str, Any]) -> E:
        return cast("E", self._twin.make(row))


def _check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_ROWS:
        message = f"limit is 1 to {_MOST_ROWS}"
        raise ValidationError(message, code="db.invalid_limit")
