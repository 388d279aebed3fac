"""Full text in the database's own engine, in one language on all of them.

`SearchIndex(Article, {"title": "A", "body": "B"})` beside the model is all: `create_all` makes the
index, `Repository.search` finds it. A revision calls `create_search` and `drop_search`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

import attrs
from sqlalchemy import String, Table, event, inspect, or_, tuple_

from infra_db import _fts_mysql, _fts_postgres, _fts_sqlite
from infra_db._grammar import parse
from infra_db._mapping import mapping_of
from infra_db.errors import CapabilityError
from infra_errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, MetaData

    from infra_db.filters import Where
    from infra_db.repository import Repository

__all__ = ["SearchHit", "SearchIndex", "Weight", "create_search", "drop_search"]

E = TypeVar("E")
Weight = Literal["A", "B", "C", "D"]
_INFO = "infra_db_search"
_MOST_HITS = 1_000
_ENGINES: Mapping[str, Any] = MappingProxyType(
    {
        "sqlite": _fts_sqlite,
        "postgresql": _fts_postgres,
        "mysql": _fts_mysql,
        "mariadb": _fts_mysql,
    }
)


@attrs.frozen
class SearchHit(Generic[E]):
    """A row that was found. Scores order the hits of one search; they compare with no other."""

    entity: E
    score: float


@attrs.frozen
class SearchSpec:
    """What an engine needs to know of an index, in the table's own names."""

    table: str
    schema: str | None
    keys: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]  # column, weight
    language: str


class SearchIndex:
    """Full text over some fields of a model; A weighs most, D least.

    `language="simple"` takes words as they are, and then finds the same rows on every database (for
    words of three letters and more, off InnoDB's stop list). Another, such as "english", also finds
    other forms of a word: on PostgreSQL any of its configurations, on SQLite English, on MySQL none
    (CapabilityError when the tables are made). Raises ConfigError `db.config` for a field that is
    no text, and for a second index of one model.
    """

    def __init__(
        self, model: type[Any], fields: Mapping[str, Weight], *, language: str = "simple"
    ) -> None:
        known = mapping_of(model)
        for name, weight in fields.items():
            field = known.fields.get(name)
            kind = None if field is None else field.stored.type
            if not isinstance(getattr(kind, "impl_instance", kind), String):
                message = f"{model.__name__}.{name} is no text column to search in"
                raise ConfigError(message, code="db.config")
            _check_weight(weight)
        if not fields or _INFO in known.table.info:
            message = f"{model.__name__} needs one search index, of at least one field"
            raise ConfigError(message, code="db.config")
        _check_language(language)
        self.model = model
        self.spec = SearchSpec(
            known.table.name,
            known.table.schema,
            tuple(known.fields[name].stored.name for name in known.keys),
            tuple((known.fields[name].stored.name, weight) for name, weight in fields.items()),
            language,
        )
        known.table.info[_INFO] = self
        event.listen(known.table, "after_create", self._create)
        event.listen(known.table, "before_drop", self._drop)

    def _create(self, _: Table, connection: Connection, **__: Any) -> None:
        _run(connection, self.spec, "create")

    def _drop(self, _: Table, connection: Connection, **__: Any) -> None:
        _run(connection, self.spec, "drop")


def create_search(
    connection: Connection,
    table: str,
    fields: Mapping[str, Weight],
    *,
    language: str = "simple",
    schema: str | None = None,
) -> None:
    """Make a table's search index in a revision: `create_search(op.get_bind(), "article", {…})`.

    `fields` are column names. Rows that are there already are indexed. On SQLite call it again
    after a batch operation on the table, which drops its triggers (`check` says so).
    """
    for weight in fields.values():
        _check_weight(weight)
    _check_language(language)
    keys = inspect(connection).get_pk_constraint(table, schema)["constrained_columns"]
    spec = SearchSpec(table, schema, tuple(keys), tuple(fields.items()), language)
    _run(connection, spec, "create")


def drop_search(connection: Connection, table: str, *, schema: str | None = None) -> None:
    """Remove a table's search index in a revision."""
    _run(connection, SearchSpec(table, schema, (), (), "simple"), "drop")


def missing_search(connection: Connection, metadata: MetaData) -> list[str]:
    """Name the tables whose search index the database does not have."""
    engine = _engine(connection.dialect.name)
    indexes = [table.info[_INFO].spec for table in metadata.sorted_tables if _INFO in table.info]
    tables = inspect(connection)
    return [
        spec.table
        for spec in indexes
        if tables.has_table(spec.table, spec.schema) and not engine.exists(tables, spec)
    ]


def _run(connection: Connection, spec: SearchSpec, what: str) -> None:
    engine = _engine(connection.dialect.name)
    for statement in getattr(engine, what)(spec, connection.dialect.identifier_preparer.quote):
        connection.exec_driver_sql(statement)


def _engine(dialect: str) -> Any:
    if dialect not in _ENGINES:
        message = f"infra-db knows no full text on {dialect}"
        raise CapabilityError(message)
    return _ENGINES[dialect]


def _check_weight(weight: str) -> None:
    if weight not in get_args(Weight):
        message = "a field's weight is A, B, C or D"
        raise ConfigError(message, code="db.config")


def _check_language(language: str) -> None:
    if not re.fullmatch(r"[a-z_]+", language):
        message = 'a language is a word such as "simple" or "english"'
        raise ConfigError(message, code="db.config")


def index_of(table: Table) -> SearchIndex | None:
    """Find the index that was made for a table's model."""
    found: SearchIndex | None = table.info.get(_INFO)
    return found


async def search(
    repository: Repository[E, Any], query: str, where: Sequence[Where], limit: int
) -> list[SearchHit[E]]:
    """Run a search; see `Repository.search`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_HITS:
        message = f"limit is 1 to {_MOST_HITS}"
        raise ValidationError(message, code="db.invalid_limit")
    mapping = repository._map
    index = index_of(mapping.table)
    if index is None:
        message = f"{mapping.model.__name__} has no SearchIndex; make one beside the model"
        raise CapabilityError(message)
    conditions = [*repository._query.conditions(where, {}), *repository._query.alive()]
    alternatives = parse(query)
    if not alternatives:
        return []
    engine = _engine(repository.db.engine.dialect.name)
    statement = engine.select_hits(index.spec, mapping.table, alternatives)
    if statement is None:
        return []
    statement = statement.where(*conditions).limit(limit)
    async with repository._reading() as connection:
        hits = [tuple(row) for row in await connection.execute(statement)]
    return await _with_entities(repository, hits)


async def _with_entities(
    repository: Repository[E, Any], hits: Sequence[tuple[Any, ...]]
) -> list[SearchHit[E]]:
    if not hits:
        return []
    mapping = repository._map
    columns = [mapping.fields[name].column for name in mapping.keys]
    ids = [hit[:-1] for hit in hits]
    one = columns[0].in_([id[0] for id in ids])
    chosen = one if len(columns) == 1 else or_(*(tuple_(*columns) == id for id in ids))
    rows = await repository._load(repository._query.select().where(chosen))
    found = {tuple(getattr(row, name) for name in mapping.keys): row for row in rows}
    return [
        SearchHit(repository._out(found[id]), float(score))
        for *key, score in hits
        if (id := tuple(key)) in found
    ]
