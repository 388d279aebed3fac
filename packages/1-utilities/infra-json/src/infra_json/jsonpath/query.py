"""A JSONPath query: checked and compiled once, then run on any document."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from infra_json.errors import QueryError
from infra_json.jsonpath import eval as evaluation
from infra_json.jsonpath.nodes import Node
from infra_json.jsonpath.parser import parse
from infra_json.jsonpath.syntax import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_json.codec import JsonValue

__all__ = ["JSONPath"]


class JSONPath:
    """
    A query (RFC 9535), such as `JSONPath("$.items[?@.price > 10].name")`.

    `str` gives it normalized. Raises QueryError with the offset for a query that is malformed, not
    well-typed, longer than 8,192 characters or nested deeper than 100 levels.
    """

    __slots__ = ("_run", "_text")

    def __init__(self, query: str) -> None:
        self._text, self._run = _compiled(query)

    def find(self, doc: JsonValue, *, limit: int | None = None) -> list[Node]:
        """
        Return the nodes that the query finds, in document order, the first `limit` if given.

        Raises QueryError for more than 1,000,000 nodes, and TooDeep where `..` goes deeper than
        2,000 levels.
        """
        found = self._found(doc, limit)
        return [Node(value, location) for value, location in found]

    def values(self, doc: JsonValue) -> list[Any]:
        """Return the values that the query finds; raises what `find` raises."""
        return [value for value, _ in self._found(doc, None)]

    def _found(self, doc: JsonValue, limit: int | None) -> evaluation.Found:
        nodes = self._run(doc, doc)
        return evaluation.bounded(nodes) if limit is None else islice(nodes, max(0, limit))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"JSONPath({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, JSONPath) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[str, Callable[[Any, Any], evaluation.Found]]:
    try:
        query = parse(text)
        return text_of(query), evaluation.compiled(query)
    except RecursionError:
        msg = "the query nests too deep for what is left of the stack"
        raise QueryError(msg) from None
