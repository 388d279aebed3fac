"""Queries as functions: each segment turns an iterator of located values into another, lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from infra_json.equality import equal, same_scalar
from infra_json.errors import QueryError
from infra_json.jsonpath.functions import FUNCTIONS, NODES, NOTHING
from infra_json.jsonpath.nodes import Location
from infra_json.jsonpath.syntax import (
    And,
    Call,
    Comparison,
    Expression,
    Filter,
    Index,
    Literal,
    Name,
    Not,
    Or,
    Query,
    Segment,
    Selector,
    Slice,
)
from infra_json.limits import MAX_NESTING, too_deep

__all__ = ["MAX_NODES", "Found", "compiled"]

MAX_NODES = 1_000_000
_CONTAINERS = (dict, list)

Located: TypeAlias = tuple[Any, Location]
Found: TypeAlias = Iterator[Located]
Stage: TypeAlias = Callable[[Iterable[Located], Any], Found]  # nodes and the root in, nodes out
Getter: TypeAlias = Callable[[Any, Any], Any]  # the current node's value and the root in


def compiled(query: Query) -> Callable[[Any, Any], Found]:
    """Return a function of the value at hand and the root that finds a query's nodes."""
    stages = [_segment(segment) for segment in query.segments]
    is_absolute = query.root == "$"

    def run(value: Any, root: Any) -> Found:
        nodes: Found = iter(((root if is_absolute else value, None),))
        for stage in stages:
            nodes = stage(nodes, root)
        return nodes

    return run


def bounded(nodes: Found) -> Found:
    """Pass nodes on, up to as many as a query may find."""
    for count, node in enumerate(nodes):
        if count == MAX_NODES:
            msg = f"the query finds more than {MAX_NODES:,} nodes"
            raise QueryError(msg)
        yield node


def _segment(segment: Segment) -> Stage:
    stages = [_selector(selector) for selector in segment.selectors]
    if len(stages) == 1 and not segment.is_descendant:
        return stages[0]

    def each(nodes: Iterable[Located], root: Any) -> Found:
        for node in nodes:
            for stage in stages:
                yield from stage((node,), root)

    select = stages[0] if len(stages) == 1 else each
    if segment.is_descendant:
        return lambda nodes, root: bounded(select(_descend(nodes), root))
    return lambda nodes, root: bounded(select(nodes, root))


def _descend(nodes: Iterable[Located]) -> Found:
    """Yield the containers among the nodes and below them, each before what it holds."""
    for top, start in nodes:
        if not isinstance(top, _CONTAINERS):
            continue
        stack: list[tuple[Any, Location, int]] = [(top, start, 1)]
        while stack:
            value, location, depth = stack.pop()
            yield value, location
            items: Any = value.items() if isinstance(value, dict) else enumerate(value)
            inner = [
                (item, (location, key), depth + 1)
                for key, item in items
                if isinstance(item, _CONTAINERS)
            ]
            if inner:
                if depth == MAX_NESTING:
                    raise too_deep(MAX_NESTING)
                inner.reverse()
                stack += inner


def _selector(selector: Selector) -> Stage:
    match selector:
        case Name(name):
            return _name(name)
        case Index(index):
            return _index(index)
        case Slice(start, stop, step):
            return _slice(slice(start, stop, step))
        case Filter(condition):
            return _filter(_truth(condition))
        case _:
            return _wildcard


def _name(name: str) -> Stage:
    def select(nodes: Iterable[Located], root: Any) -> Found:
        for value, location in nodes:
            if isinstance(value, dict) and name in value:
                yield value[name], (location, name)

    return select


def _index(index: int) -> Stage:
    def select(nodes: Iterable[Located], root: Any) -> Found:
        for value, location in nodes:
            if isinstance(value, list) and -len(value) <= index < len(value):
                yield value[index], (location, index if index >= 0 else index + len(value))

    return select


def _slice(part: slice) -> Stage:
    def select(nodes: Iterable[Located], root: Any) -> Found:
        if part.step == 0:
            return
        for value, location in nodes:
            if isinstance(value, list):
                for index in range(*part.indices(len(value))):
                    yield value[index], (location, index)

    return select


def _wildcard(nodes: Iterable[Located], root: Any) -> Found:
    for value, location in nodes:
        for key, item in _children(value):
            yield item, (location, key)


def _filter(truth: Getter) -> Stage:
    def select(nodes: Iterable[Located], root: Any) -> Found:
        for value, location in nodes:
            for key, item in _children(value):
                if truth(item, root):
                    yield item, (location, key)

    return select


def _children(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


# -- filter expressions


def _truth(expression: Expression) -> Getter:
    match expression:
        case Or(operands):
            options = [_truth(operand) for operand in operands]
            return lambda value, root: any(option(value, root) for option in options)
        case And(operands):
            needs = [_truth(operand) for operand in operands]
            return lambda value, root: all(need(value, root) for need in needs)
        case Not(operand):
            inner = _truth(operand)
            return lambda value, root: not inner(value, root)
        case Comparison(left, operator, right):
            return _comparison(_value(left), operator, _value(right))
        case Query():
            return _existence(expression)
        case _:
            return _value(expression)


def _existence(query: Query) -> Getter:
    if query.is_singular:
        one = _singular(query)
        return lambda value, root: one(value, root) is not NOTHING
    run = compiled(query)
    return lambda value, root: next(run(value, root), None) is not None


def _value(expression: Expression) -> Getter:
    match expression:
        case Literal(constant):
            return lambda value, root: constant
        case Query():
            return _singular(expression)
        case Call(function, arguments):
            takes, _, body = FUNCTIONS[function]
            getters = [
                _nodes(argument) if kind == NODES else _value(argument)
                for kind, argument in zip(takes, arguments, strict=True)
            ]
            return lambda value, root: body(*[getter(value, root) for getter in getters])
        case _:
            return _truth(expression)


def _nodes(query: Any) -> Getter:
    run = compiled(query)
    return lambda value, root: [item for item, _ in run(value, root)]


def _singular(query: Query) -> Getter:
    keys = [_key(segment.selectors[0]) for segment in query.segments]
    is_absolute = query.root == "$"

    def get(value: Any, root: Any) -> Any:
        node = root if is_absolute else value
        for key in keys:
            if isinstance(node, dict):
                if key not in node:
                    return NOTHING
            elif not isinstance(node, list) or not _is_index(key, node):
                return NOTHING
            node = node[key]
        return node

    return get


def _key(selector: Selector) -> str | int:
    if isinstance(selector, Name):
        return selector.name
    assert isinstance(selector, Index)
    return selector.at


def _is_index(key: str | int, array: list[Any]) -> bool:
    return isinstance(key, int) and -len(array) <= key < len(array)


def _comparison(left: Getter, operator: str, right: Getter) -> Getter:
    match operator:
        case "==":
            return lambda value, root: _equal(left(value, root), right(value, root))
        case "!=":
            return lambda value, root: not _equal(left(value, root), right(value, root))
        case "<":
            return lambda value, root: _less(left(value, root), right(value, root))
        case ">":
            return lambda value, root: _less(right(value, root), left(value, root))
        case "<=":
            return lambda value, root: _at_most(left(value, root), right(value, root))
        case _:
            return lambda value, root: _at_most(right(value, root), left(value, root))


_NUMBERS = frozenset({int, float})


def _less(a: Any, b: Any) -> bool:
    kind, other = type(a), type(b)
    if kind is str and other is str:
        return bool(a < b)
    return kind in _NUMBERS and other in _NUMBERS and bool(a < b)


def _at_most(a: Any, b: Any) -> bool:
    return _less(a, b) or _equal(a, b)


def _equal(a: Any, b: Any) -> bool:
    if a is NOTHING or b is NOTHING:
        return a is b
    kind = type(a)
    if kind is type(b) and (kind is str or kind is int):
        return bool(a == b)
    return equal(a, b) if kind is dict or kind is list else same_scalar(a, b)
