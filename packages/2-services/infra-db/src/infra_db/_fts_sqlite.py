"""SQLite: an FTS5 table kept by triggers.

A row's place in it comes from a table of keys, and not from the row's own rowid: VACUUM and a
migration's batch mode give new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Table, and_, column, literal, literal_column, select, table, text

from infra_db.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra_db._grammar import Alternative, Term
    from infra_db.search import SearchSpec

__all__ = ["create", "drop", "exists", "select_hits"]

_TOKENIZERS = {
    "simple": "unicode61 remove_diacritics 0",
    "english": "porter unicode61 remove_diacritics 0",
}
_WEIGHTS = {"A": 10.0, "B": 4.0, "C": 2.0, "D": 1.0}
_KEPT = text(
    "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table "
    "AND name = :insert"
)
_TRIGGERS = ("insert", "delete", "change", "rename")


def create(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that make the index; CapabilityError for a language but English."""
    if spec.language not in _TOKENIZERS:
        message = f"SQLite stems English only: search {spec.table} in one of {sorted(_TOKENIZERS)}"
        raise CapabilityError(message)
    fields = [quote(name) for name, _ in spec.fields]
    places = [f"k{number}" for number in range(len(spec.keys))]
    real = [quote(name) for name in spec.keys]

    def each(template: str, names: Sequence[str]) -> str:
        return ", ".join(template.format(name) for name in names)

    def is_key_of(row: str) -> str:
        return " AND ".join(f"{k} = {row}.{c}" for k, c in zip(places, real, strict=True))

    names = {
        "table": quote(spec.table),
        "index": quote(_index(spec)),
        "keys": quote(_keys(spec)),
        "tokenizer": _TOKENIZERS[spec.language],
        "fields": each("{}", fields),
        "its_fields": each("it.{}", fields),
        "new_fields": each("new.{}", fields),
        "set_fields": ", ".join(f"{name} = new.{name}" for name in fields),
        "places": each("{}", places),
        "own_keys": each("{}", real),
        "new_keys": each("new.{}", real),
        "set_places": ", ".join(f"{k} = new.{c}" for k, c in zip(places, real, strict=True)),
        **{f"is_{row}": is_key_of(row) for row in ("it", "new", "old")},
        **{f"on_{name}": quote(f"{_index(spec)}_{name}") for name in _TRIGGERS},
    }
    # What is left of one whose triggers went with a table that a migration rebuilt, goes first.
    return [*drop(spec, quote), *(statement.format(**names) for statement in _CREATE)]


_CREATE = (
    "CREATE TABLE {keys} (place INTEGER PRIMARY KEY, {places}, UNIQUE ({places}))",
    "CREATE VIRTUAL TABLE {index} USING fts5({fields}, tokenize = '{tokenizer}')",
    "INSERT INTO {keys} ({places}) SELECT {own_keys} FROM {table}",
    """INSERT INTO {index} (rowid, {fields})
    SELECT (SELECT place FROM {keys} WHERE {is_it}), {its_fields} FROM {table} AS it""",
    """CREATE TRIGGER {on_insert} AFTER INSERT ON {table} BEGIN
    INSERT OR IGNORE INTO {keys} ({places}) VALUES ({new_keys});
    INSERT OR REPLACE INTO {index} (rowid, {fields})
    VALUES ((SELECT place FROM {keys} WHERE {is_new}), {new_fields});
    END""",
    """CREATE TRIGGER {on_delete} AFTER DELETE ON {table} BEGIN
    DELETE FROM {index} WHERE rowid = (SELECT place FROM {keys} WHERE {is_old});
    DELETE FROM {keys} WHERE {is_old};
    END""",
    # Before the other, which looks for the new key; and SQLite promises no order of two AFTERs.
    """CREATE TRIGGER {on_rename} BEFORE UPDATE OF {own_keys} ON {table} BEGIN
    UPDATE {keys} SET {set_places} WHERE {is_old};
    END""",
    """CREATE TRIGGER {on_change} AFTER UPDATE OF {fields} ON {table} BEGIN
    UPDATE {index} SET {set_fields}
    WHERE rowid = (SELECT place FROM {keys} WHERE {is_new});
    END""",
)


def drop(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that remove it."""
    triggers = [quote(f"{_index(spec)}_{name}") for name in _TRIGGERS]
    return [
        *(f"DROP TRIGGER IF EXISTS {name}" for name in triggers),
        f"DROP TABLE IF EXISTS {quote(_index(spec))}",
        f"DROP TABLE IF EXISTS {quote(_keys(spec))}",
    ]


def exists(tables: Any, spec: SearchSpec) -> bool:
    """Whether the table has its index, and the triggers that keep it."""
    found = tables.bind.execute(_KEPT, {"table": spec.table, "insert": f"{_index(spec)}_insert"})
    return bool(found.scalar_one()) and bool(tables.has_table(_index(spec)))


def select_hits(
    spec: SearchSpec, rows: Table, alternatives: Sequence[Alternative]
) -> Select[Any] | None:
    """Select keys and score, best first."""
    name = _quoted(_index(spec))
    weights = ", ".join(str(_WEIGHTS[weight]) for _, weight in spec.fields)
    index = table(_index(spec), column("rowid"))
    places: list[Any] = [column(f"k{number}") for number in range(len(spec.keys))]
    keys = table(_keys(spec), column("place"), *places)
    # Of its own, because bm25 is known only where the index itself is read.
    matched = (
        select(
            index.c.rowid.label("place"),
            (-literal_column(f"bm25({name}, {weights})")).label("score"),
        )
        .where(literal_column(name).bool_op("MATCH")(literal(_query(alternatives))))
        .cte("matched")
        .prefix_with("MATERIALIZED", dialect="sqlite")
    )
    own = list(rows.primary_key.columns)
    same = [keys.c[place.name] == key for place, key in zip(places, own, strict=True)]
    found = select(*own, matched.c.score)
    found = found.join_from(rows, keys, and_(*same)).join(matched, matched.c.place == keys.c.place)
    return found.order_by(matched.c.score.desc(), *own)


def _query(alternatives: Sequence[Alternative]) -> str:
    return " OR ".join(_alternative(one) for one in alternatives)


def _alternative(one: Alternative) -> str:
    found = f"({' AND '.join(_term(term) for term in one.wanted)})"
    for term in one.unwanted:
        found = f"({found} NOT {_term(term)})"
    return found


def _term(term: Term) -> str:
    # Words have letters and digits only, so that nothing in them ends the quotes.
    return f'"{" ".join(term.words)}"' + ("*" if term.prefix else "")


def _index(spec: SearchSpec) -> str:
    return f"{spec.table}_search"


def _keys(spec: SearchSpec) -> str:
    return f"{spec.table}_search_keys"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
