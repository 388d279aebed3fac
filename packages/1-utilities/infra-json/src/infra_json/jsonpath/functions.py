"""The five functions of RFC 9535: what they take, what they give, what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from infra_json.jsonpath import iregexp

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FUNCTIONS", "NOTHING", "Function"]

NOTHING: Any = object()  # the absence of a value, which is no null

VALUE, LOGICAL, NODES = "a value", "a truth", "nodes"


class Function(NamedTuple):
    """A function's types (RFC 9535, 2.4.1) and its body; nodes arrive as a list of values."""

    takes: tuple[str, ...]
    gives: str
    body: Callable[..., Any]


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, (str, list, dict)) else NOTHING


def _value(nodes: list[Any]) -> Any:
    return nodes[0] if len(nodes) == 1 else NOTHING


def _match(text: Any, pattern: Any) -> bool:
    is_text = isinstance(text, str) and isinstance(pattern, str)
    return is_text and iregexp.matches(pattern, text, whole=True)


def _search(text: Any, pattern: Any) -> bool:
    is_text = isinstance(text, str) and isinstance(pattern, str)
    return is_text and iregexp.matches(pattern, text, whole=False)


FUNCTIONS = {
    "length": Function((VALUE,), VALUE, _length),
    "count": Function((NODES,), VALUE, len),
    "match": Function((VALUE, VALUE), LOGICAL, _match),
    "search": Function((VALUE, VALUE), LOGICAL, _search),
    "value": Function((NODES,), VALUE, _value),
}
