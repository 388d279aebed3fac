"""From filters, sorts and cursors to a SELECT of one repository."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import ColumnElement, Executable, Select, and_, select
from sqlalchemy.orm import Session

from infra_db.filters import AnyOf, Filter, Where, condition
from infra_db.paging import CursorCodec, Key, Page, Sort, order_by, seek

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra_db._mapping import Field
    from infra_db._writes import Writes

__all__ = ["Query", "Window", "load"]


class Query:
    """Builds a repository's statements."""

    def __init__(self, repository: Writes[Any, Any]) -> None:
        self._repository = repository
        self._map = repository._map
        db = repository.db
        self._codec = CursorCodec(db.settings.cursor_keys, db.engine.dialect)
        self._row_values = db.engine.dialect.name in {"sqlite", "postgresql"}

    def select(self, *, include_deleted: bool = False) -> Select[Any]:
        """All rows that are not soft-deleted."""
        statement = select(self._map.model)
        return statement if include_deleted else statement.where(*self.alive())

    def alive(self) -> list[ColumnElement[bool]]:
        """The condition that passes over soft-deleted rows."""
        if not self._map.has("deleted_at"):
            return []
        return [self._map.fields["deleted_at"].column.is_(None)]

    def conditions(
        self, where: Sequence[Where], filters: Mapping[str, Any]
    ) -> list[ColumnElement[bool]]:
        """Build all conditions, to be ANDed."""
        every = [*where, *(Filter(name, "eq", value) for name, value in filters.items())]
        return [condition(one, self._filterable, self._map.coerce) for one in every]

    def _filterable(self, name: str) -> ColumnElement[Any]:
        allowed = self._repository.filterable
        field = self._map.field(name, self._map.public() if allowed is None else allowed)
        column: ColumnElement[Any] = field.column
        return column

    def ordered(
        self, where: Sequence[Where], filters: Mapping[str, Any], sort: Sequence[Sort | str]
    ) -> Select[Any]:
        """The rows that meet the conditions, in order."""
        statement = self.select().where(*self.conditions(where, filters))
        return statement.order_by(*order_by(self._keys(sort)))

    def after(
        self,
        where: Sequence[Where],
        filters: Mapping[str, Any],
        sort: Sequence[Sort | str],
        values: Sequence[Any] | None,
    ) -> tuple[Select[Any], Callable[[Any], list[Any]]]:
        """The rows beyond these sort values, and what reads such values off a row."""
        keys = self._keys(sort)
        statement = self.ordered(where, filters, sort)
        if values is not None:
            beyond = seek(keys, values, backward=False, row_values=self._row_values)
            statement = statement.where(beyond)
        return statement, lambda row: [getattr(row, key.sort.field) for key in keys]

    def window(
        self,
        where: Sequence[Where],
        filters: Mapping[str, Any],
        sort: Sequence[Sort | str],
        cursor: str | None,
    ) -> Window:
        """The rows at a cursor, or the first ones, and how to make a page of them."""
        keys = self._keys(sort)
        statement = self.select().where(*self.conditions(where, filters))
        scope = self._scope(where, filters, keys)
        backward = False
        if cursor is not None:
            values, backward = self._codec.decode(cursor, keys, scope=scope)
            beyond = seek(keys, values, backward=backward, row_values=self._row_values)
            statement = statement.where(beyond)
        statement = statement.order_by(*order_by(keys, backward=backward))
        return Window(statement, keys, self._codec, scope, backward, cursor is not None)

    def _keys(self, sort: Sequence[Sort | str]) -> list[Key]:
        if isinstance(sort, str | Sort):
            sort = (sort,)
        given = [one if isinstance(one, Sort) else Sort(one) for one in sort]
        allowed = self._repository.sortable
        names = self._map.public() if allowed is None else allowed
        keys = [_key(one, self._map.field(one.field, names)) for one in given]
        keys += [
            _key(one, self._map.field(one.field, self._map.fields))
            for one in self._repository.default_sort
        ]
        # The primary key makes the order total. Read in the direction of what stands before it,
        # the whole is one row value, which one index can serve.
        down = bool(keys) and keys[-1].sort.descending
        keys += [_key(Sort(f"-{n}" if down else n), self._map.fields[n]) for n in self._map.keys]
        unique: dict[str, Key] = {}
        for key in keys:
            unique.setdefault(key.sort.field, key)
        return list(unique.values())

    def _scope(
        self, where: Sequence[Where], filters: Mapping[str, Any], keys: Sequence[Key]
    ) -> bytes:
        """What a cursor is bound to: table, filters and sort, in 32 bytes."""
        parts = [
            self._map.table.fullname,
            [self._fingerprint(one) for one in where],
            [
                self._fingerprint(Filter(name, "eq", value))
                for name, value in sorted(filters.items())
            ],
            [[key.sort.field, key.sort.descending, key.sort.nulls] for key in keys],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).digest()

    def _fingerprint(self, where: Where) -> Any:
        if isinstance(where, Filter):
            column = self._map.fields[where.field].column
            return [where.field, where.op, self._codec.to_json(column, where.value)]
        if isinstance(where, AnyOf):
            return [self._fingerprint(one) for one in where.filters]
        compiled = and_(where).compile(dialect=self._codec.dialect)
        return [str(compiled), [[name, repr(v)] for name, v in sorted(compiled.params.items())]]


def _key(sort: Sort, field: Field) -> Key:
    return Key(sort, field.column, field.nullable)


@attrs.frozen(eq=False)
class Window:
    """The statement of one page, and what turns its rows into it."""

    statement: Select[Any]
    keys: Sequence[Key]
    codec: CursorCodec
    scope: bytes
    backward: bool
    from_cursor: bool

    def page(self, rows: list[Any], limit: int) -> Page[Any]:
        """Make the page of at most `limit + 1` rows: the one too many says there are more."""
        more = len(rows) > limit
        items = rows[:limit]
        if self.backward:
            items.reverse()
        if not items:
            return Page(())
        after = more or self.backward
        before = more if self.backward else self.from_cursor
        return Page(
            tuple(items),
            next_cursor=self._cursor(items[-1], backward=False) if after else None,
            prev_cursor=self._cursor(items[0], backward=True) if before else None,
        )

    def _cursor(self, row: Any, *, backward: bool) -> str:
        values = [getattr(row, key.sort.field) for key in self.keys]
        return self.codec.encode(self.keys, values, backward=backward, scope=self.scope)


def load(connection: Any, statement: Executable) -> list[Any]:
    """Run a statement of entities and return them detached."""
    with Session(
        connection,
        autoflush=False,
        expire_on_commit=False,
        join_transaction_mode="rollback_only",
    ) as session:
        rows = list(session.scalars(statement).unique())
        session.expunge_all()
        return rows
