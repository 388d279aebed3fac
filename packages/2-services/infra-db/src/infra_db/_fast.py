"""Reads that go past SQLAlchemy's execution, with its compiled SQL, its types and its pool.

A statement is compiled once a shape. It then runs on the driver's own connection, without BEGIN,
and its rows become instances of the mapped class without the constructor. What cannot be done so
(loader options, inheritance, listeners that want to see each statement) goes the ordinary way.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, Numeric, Select, inspect
from sqlalchemy.orm import attributes
from sqlalchemy.util.concurrency import greenlet_spawn

from infra_db._telemetry import names_of
from infra_db.budget import count
from infra_db.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import Mapper

    from infra_db.backends import Backend
    from infra_db.database import Database

__all__ = ["FastReads", "Instances", "instances_of"]

_SHAPES = 512  # compiled statements kept a database
_EVENTS = ("before_cursor_execute", "after_cursor_execute")


class Instances:
    """How rows of one mapped class become detached instances of it."""

    def __init__(self, mapper: Mapper[Any], names: Sequence[str], columns: Sequence[Any]) -> None:
        self.columns = columns
        self._names = names
        self._manager = mapper.class_manager
        self._key_at = [columns.index(column) for column in mapper.primary_key]
        self._base = mapper._identity_class
        self._tell_loaded = list(self._manager.dispatch.load)

    def make(self, values: Sequence[Any]) -> Any:
        """Make the instance of a row's values."""
        instance = self._manager.new_instance()
        state = attributes.instance_state(instance)
        state.dict.update(zip(self._names, values, strict=True))
        state.key = (self._base, tuple([values[at] for at in self._key_at]), None)
        for told in self._tell_loaded:
            told(state, None)
        return instance


@lru_cache(maxsize=512)
def instances_of(model: type[Any], names: tuple[str, ...]) -> Instances | None:
    """Return how to make instances of a model; None for one whose loading means more than that."""
    mapper: Mapper[Any] = inspect(model)
    plain = (
        mapper.polymorphic_on is None
        and mapper.inherits is None
        and len(mapper.column_attrs) == len(names)
        and all(it.lazy in {"select", True, "raise", "raise_on_sql"} for it in mapper.relationships)
        # a listener of the model's own may want the context of the query, which there is none of
        and all(
            getattr(told, "__module__", "").startswith("sqlalchemy.ext.mutable")
            for told in (
                *mapper.class_manager.dispatch.load,
                *mapper.class_manager.dispatch.refresh,
            )
        )
    )
    if not plain:
        return None
    columns = [mapper.column_attrs[name].columns[0] for name in names]
    return Instances(mapper, names, columns)


def _told(kind: Any, dialect: Dialect) -> int | None:
    """What the driver would say of a column's type; only numbers on PostgreSQL depend on it."""
    found = kind.dialect_impl(dialect)
    found = getattr(found, "impl_instance", found)
    if dialect.name != "postgresql" or not isinstance(found, Numeric | Float):
        return None
    return _FLOAT8 if isinstance(found, Float) else _NUMERIC


_FLOAT8, _NUMERIC = 701, 1700  # PostgreSQL's own numbers of the two types


class _Shape:
    """A compiled statement: its text, what makes its arguments, what reads its columns."""

    def __init__(self, statement: Select[Any], dialect: Dialect, cache_key: Any) -> None:
        compiled: Any = statement._compiler(dialect, cache_key=cache_key)
        self.usable = not (compiled.post_compile_params or compiled.literal_execute_params)
        self.text: str = str(compiled)
        self.names = names_of(compiled, self.text)
        self._compiled = compiled
        self._constants: dict[str, Any] = compiled.construct_params(_check=False)
        self._names: list[str] = list(compiled.positiontup or ())
        self._processors: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors
        readers = [
            entry.type._cached_result_processor(dialect, _told(entry.type, dialect))
            for entry in compiled._result_columns
        ]
        self._readers = [(at, reader) for at, reader in enumerate(readers) if reader is not None]

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """Order and convert the values of named parameters."""
        return self._ordered(self._constants | dict(params))

    def arguments_of(self, extracted: Sequence[Any]) -> list[Any]:
        """The same, of a statement of this shape with values of its own."""
        found = self._compiled.construct_params(extracted_parameters=extracted, _check=False)
        return self._ordered(found)

    def _ordered(self, params: Mapping[str, Any]) -> list[Any]:
        processors = self._processors
        return [
            processors[name](params[name]) if name in processors else params[name]
            for name in self._names
        ]

    def values(self, row: Any) -> Sequence[Any]:
        """Convert what the driver returned."""
        if not self._readers:
            return row  # type: ignore[no-any-return]
        values = list(row)
        for at, reader in self._readers:
            values[at] = reader(values[at])
        return values


def _dispatchers(dispatch: Any) -> list[Any]:
    """Return an engine's dispatcher, and those of the engines that it was derived from."""
    found = [dispatch]
    while (parent := getattr(found[-1], "parent", None)) is not None:
        found.append(parent)
    return found


def _own(dispatch: Any, name: str) -> Any:
    """Return the listeners of one dispatcher, without its parent's."""
    listeners = getattr(dispatch, name)
    return listeners.local if hasattr(type(listeners), "local") else listeners


def _count(listeners: Any) -> int:
    # SQLAlchemy's own len() of them merges lists, and is asked at each read
    return len(getattr(listeners, "listeners", ())) + len(listeners.parent_listeners)


class FastReads:
    """The fast path of one database."""

    def __init__(self, db: Database, backend: Backend) -> None:
        self._db = db
        self._fetch = backend.fetch
        self._translate = backend.translate
        self._engine = db.autocommit.sync_engine
        self._pool = self._engine.pool
        self._shapes: OrderedDict[Any, _Shape] = OrderedDict()
        self._watched = [
            (dispatch, name, _own(dispatch, name), _count(_own(dispatch, name)))
            for dispatch in _dispatchers(self._engine.dispatch)
            for name in _EVENTS
        ]

    def is_on(self) -> bool:
        """Whether nobody wants to see each statement go by."""
        for dispatch, name, listeners, number in self._watched:
            found = _own(dispatch, name)
            if found is not listeners or _count(found) != number:
                return False
        return True

    async def named(
        self, key: Any, build: Callable[[], Select[Any]], params: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Return the rows of the statement that `key` names, made by `build` if it is new."""
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._keep(key, build(), None)
        rows = await self._run(shape, shape.arguments(params))
        return [shape.values(row) for row in rows]

    async def all(self, statement: Select[Any]) -> list[Sequence[Any]] | None:
        """Return the rows of a statement; None where it has no shape that could be kept."""
        found = statement._generate_cache_key()
        if found is None:
            return None
        shape = self._shapes.get(found.key)
        if shape is None:
            shape = self._keep(found.key, statement, found)
        else:
            self._shapes.move_to_end(found.key)
        if not shape.usable:
            return None
        rows = await self._run(shape, shape.arguments_of(found.bindparams))
        return [shape.values(row) for row in rows]

    def _keep(self, key: Any, statement: Select[Any], cache_key: Any) -> _Shape:
        shape = self._shapes[key] = _Shape(statement, self._engine.dialect, cache_key)
        if len(self._shapes) > _SHAPES:
            self._shapes.popitem(last=False)
        return shape

    async def _run(self, shape: _Shape, arguments: list[Any]) -> Sequence[Any]:
        count(shape.text)
        telemetry = self._db.telemetry
        started = telemetry.start(*shape.names)
        try:
            async with self._db.fast_slot() as connection:
                rows = await self._on(connection, shape.text, arguments)
        except BaseException as error:
            telemetry.end(started, error)
            raise
        telemetry.end(started)
        return rows

    async def _on(self, connection: Any, text: str, arguments: list[Any]) -> Sequence[Any]:
        try:
            return await self._fetch(connection, text, arguments)
        except Exception as error:
            found = self._translate(error, self._engine)
            if isinstance(found, DatabaseUnavailable):
                await greenlet_spawn(connection.invalidate, error)
            raise found from error
        except BaseException:
            await greenlet_spawn(connection.invalidate)  # cut off in the middle of an answer
            raise
