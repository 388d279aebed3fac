"""MySQL and MariaDB: a generated column with a FULLTEXT index, asked in boolean mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Table, literal_column, or_, select
from sqlalchemy.dialects.mysql import match

from infra_db._fts_postgres import COLUMN, exists
from infra_db.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra_db._grammar import Alternative, Term
    from infra_db.search import SearchSpec

__all__ = ["create", "drop", "exists", "select_hits"]

_END = " infradbfieldend "  # between two fields, so that no phrase reaches across
_WEIGHTS = {"A": 10, "B": 4, "C": 2, "D": 1}
_MOST_COPIES = 4
_SHORTEST = 3  # InnoDB's innodb_ft_min_token_size, and its stop list below, as they come
_STOPPED = frozenset(
    [
        "a",
        "about",
        "an",
        "are",
        "as",
        "at",
        "be",
        "by",
        "com",
        "de",
        "en",
        "for",
        "from",
        "how",
        "i",
        "in",
        "is",
        "it",
        "la",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "was",
        "what",
        "when",
        "where",
        "who",
        "will",
        "with",
        "und",
        "www",
    ]
)


def create(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that make the index; CapabilityError for a language that stems."""
    if spec.language != "simple":
        message = f'MySQL does not stem: search {spec.table} with language="simple"'
        raise CapabilityError(message)
    lightest = min(_WEIGHTS[weight] for _, weight in spec.fields)
    # The server weighs no fields, but it counts how often a word stands in the text.
    parts = [
        f"coalesce({quote(name)}, '')"
        for name, weight in spec.fields
        for _ in range(min(_MOST_COPIES, round(_WEIGHTS[weight] / lightest)))
    ]
    text = f"concat_ws('{_END}', {', '.join(parts)})"
    # Lower case and compared by code points: a collation would also take accents away.
    words = f"lower(regexp_replace({text}, '[^\\\\p{{L}}\\\\p{{N}}]+', ' '))"
    on = _full(spec, quote)
    column = (
        f"ALTER TABLE {on} ADD COLUMN {COLUMN} LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
        f"GENERATED ALWAYS AS ({words}) STORED INVISIBLE"
    )
    index = quote(f"ix_{spec.table[:50]}_search")
    return [column, f"CREATE FULLTEXT INDEX {index} ON {on} ({COLUMN})"]


def drop(spec: SearchSpec, quote: Callable[[str], str]) -> list[str]:
    """Return the statements that remove it; its index goes with the column."""
    return [f"ALTER TABLE {_full(spec, quote)} DROP COLUMN {COLUMN}"]


def select_hits(
    spec: SearchSpec, table: Table, alternatives: Sequence[Alternative]
) -> Select[Any] | None:
    """Select keys and score, best first; None if the server would index none of the words."""
    texts = [text for one in alternatives if (text := _boolean(one))]
    if not texts:
        return None
    name = spec.table.replace("`", "``")
    column: Any = literal_column(f"`{name}`.{COLUMN}")
    matches: list[Any] = [match(column, against=text).in_boolean_mode() for text in texts]
    keys = list(table.primary_key.columns)
    score: Any = sum(matches[1:], matches[0])
    found = select(*keys, score.label("score")).where(or_(*matches))
    return found.order_by(score.desc(), *keys)


def _boolean(one: Alternative) -> str:
    wanted = [term for term in one.wanted if _is_indexed(term)]
    unwanted = [term for term in one.unwanted if _is_indexed(term)]
    if not wanted:
        return ""
    return " ".join([*(f"+{_term(term)}" for term in wanted), *(f"-{_term(t)}" for t in unwanted)])


def _is_indexed(term: Term) -> bool:
    return term.prefix or any(
        len(word) >= _SHORTEST and word not in _STOPPED for word in term.words
    )


def _term(term: Term) -> str:
    # Words have letters and digits only: no operator can be among them.
    if term.prefix:
        return f"{term.words[0]}*"
    return term.words[0] if len(term.words) == 1 else f'"{" ".join(term.words)}"'


def _full(spec: SearchSpec, quote: Callable[[str], str]) -> str:
    name = quote(spec.table)
    return name if spec.schema is None else f"{quote(spec.schema)}.{name}"
