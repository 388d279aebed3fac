"""Searches in Python: each word of each row is looked at, as an oracle may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra_db._grammar import parse
from infra_db.errors import CapabilityError
from infra_db.search import index_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra_db._grammar import Term
    from infra_db._twin import Twin

__all__ = ["found_in"]

_WEIGHTS = {"A": 1.0, "B": 0.4, "C": 0.2, "D": 0.1}
_WORD = re.compile(r"[^\W_]+")


def found_in(
    twin: Twin, query: str, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], float]]:
    """Return the rows that the text finds with their scores, best first."""
    index = index_of(twin.map.table)
    if index is None:
        message = f"{twin.entity.__name__} has no SearchIndex; make one beside the model"
        raise CapabilityError(message)
    names = {field.stored.name: name for name, field in twin.map.fields.items()}
    weights = [(names[column], _WEIGHTS[weight]) for column, weight in index.spec.fields]
    alternatives = parse(query)
    found = []
    for row in rows:
        fields = [(weight, _words(row[name])) for name, weight in weights]
        scores = [
            sum(_score(term, fields) for term in one.wanted)
            for one in alternatives
            if all(_score(term, fields) for term in one.wanted)
            and not any(_score(term, fields) for term in one.unwanted)
        ]
        if scores:
            found.append((row, sum(scores)))
    return sorted(found, key=lambda hit: -hit[1])


def _words(text: str | None) -> list[str]:
    return [word.lower() for word in _WORD.findall(text or "")]


def _score(term: Term, fields: Sequence[tuple[float, list[str]]]) -> float:
    return sum(weight * _times(term, words) for weight, words in fields)


def _times(term: Term, words: list[str]) -> int:
    if term.prefix:
        return sum(word.startswith(term.words[0]) for word in words)
    size = len(term.words)
    return sum(tuple(words[at : at + size]) == term.words for at in range(len(words) - size + 1))
