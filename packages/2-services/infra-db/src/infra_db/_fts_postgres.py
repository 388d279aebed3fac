"""PostgreSQL: a generated tsvector column with a GIN index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Table, func, literal, literal_column, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra_db._grammar import Alternative, Term
    from infra_db.search import SearchSpec

__all__ = ["COLUMN", "create", "drop", "exists", "select_hits"]

COLUMN = "infra_db_search"
# Between two fields, taken out again: it leaves a gap that no phrase reaches across.
_END = "infradbfieldend"


def create(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that make the index."""
    parts = [
        # The parser would keep data/eval and e-mail addresses as one word.
        f"setweight(to_tsvector('pg_catalog.{spec.language}'::regconfig, "
        # ICU knows letters and their case, also in a database of the locale C.
        f"regexp_replace(lower(coalesce({quote(name)}, '') COLLATE \"und-x-icu\"), "
        f"'[^[:alnum:]]+', ' ', 'g') || ' {_END}'), "
        f"'{weight}')"
        for name, weight in spec.fields
    ]
    end = f"to_tsvector('pg_catalog.{spec.language}'::regconfig, '{_END}')"
    vector = f"ts_delete({' || '.join(parts)}, tsvector_to_array({end}))"
    on = _full(spec, quote)
    return [
        f"ALTER TABLE {on} ADD COLUMN {COLUMN} tsvector GENERATED ALWAYS AS ({vector}) STORED",
        f"CREATE INDEX {quote(_index(spec))} ON {on} USING gin ({COLUMN})",
    ]


def drop(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that remove it; its index goes with the column."""
    return [f"ALTER TABLE {_full(spec, quote)} DROP COLUMN IF EXISTS {COLUMN}"]


def exists(tables: Any, spec: SearchSpec) -> bool:
    """Whether the table has its index."""
    columns = tables.get_columns(spec.table, spec.schema)
    return any(column["name"] == COLUMN for column in columns)


def select_hits(
    spec: SearchSpec, table: Table, alternatives: Sequence[Alternative]
) -> Select[Any] | None:
    """Select keys and score, best first."""
    text = " | ".join(_alternative(one) for one in alternatives)
    config: Any = literal_column(f"'pg_catalog.{spec.language}'::regconfig")
    query = func.to_tsquery(config, literal(text))
    name = spec.table.replace('"', '""')
    vector: Any = literal_column(f'"{name}".{COLUMN}')
    score = func.ts_rank(vector, query)
    keys = list(table.primary_key.columns)
    found = select(*keys, score.label("score")).where(vector.bool_op("@@")(query))
    return found.order_by(score.desc(), *keys)


def _alternative(one: Alternative) -> str:
    wanted = [_term(term) for term in one.wanted]
    unwanted = [f"!({_term(term)})" for term in one.unwanted]
    return f"({' & '.join([*wanted, *unwanted])})"


def _term(term: Term) -> str:
    # Words have letters and digits only, so that nothing in them ends the quotes.
    words = " <-> ".join(f"'{word}'" for word in term.words)
    return f"{words}:*" if term.prefix else f"({words})"


def _full(spec: SearchSpec, quote: Callable[[str], str]) -> str:
    name = quote(spec.table)
    return name if spec.schema is None else f"{quote(spec.schema)}.{name}"


def _index(spec: SearchSpec) -> str:
    return f"ix_{spec.table[:50]}_search"
