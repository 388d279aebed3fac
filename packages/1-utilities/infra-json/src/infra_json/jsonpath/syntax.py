"""The parts of a query, as the parser makes them, and their normalized text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from infra_json.jsonpath.nodes import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "And",
    "Call",
    "Comparison",
    "Expression",
    "Filter",
    "Index",
    "Literal",
    "Name",
    "Not",
    "Or",
    "Query",
    "Segment",
    "Selector",
    "Slice",
    "Wildcard",
    "text_of",
]


class Name(NamedTuple):
    """`'name'`"""

    name: str

    def pieces(self) -> Pieces:
        yield quoted(self.name)


class Index(NamedTuple):
    """`0` or `-1`"""

    at: int

    def pieces(self) -> Pieces:
        yield str(self.at)


class Wildcard(NamedTuple):
    """`*`"""

    def pieces(self) -> Pieces:
        yield "*"


class Slice(NamedTuple):
    """`start:stop:step`"""

    start: int | None
    stop: int | None
    step: int | None

    def pieces(self) -> Pieces:
        start, stop, step = ("" if part is None else str(part) for part in self)
        yield f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


class Filter(NamedTuple):
    """`?expression`"""

    condition: Expression

    def pieces(self) -> Pieces:
        yield "?"
        yield self.condition


class Segment(NamedTuple):
    """Selectors for the children, or for the node and everything below it."""

    is_descendant: bool
    selectors: tuple[Selector, ...]

    def pieces(self) -> Pieces:
        yield "..[" if self.is_descendant else "["
        yield from _joined(", ", self.selectors)
        yield "]"


class Query(NamedTuple):
    """`$` or `@`, and segments."""

    root: str
    segments: tuple[Segment, ...]

    @property
    def is_singular(self) -> bool:
        """Whether it can find one node at most."""
        return all(
            not segment.is_descendant
            and len(segment.selectors) == 1
            and isinstance(segment.selectors[0], (Name, Index))
            for segment in self.segments
        )

    def pieces(self) -> Pieces:
        yield self.root
        yield from self.segments


class Literal(NamedTuple):
    """A text, number, true, false or null."""

    value: str | int | float | bool | None

    def pieces(self) -> Pieces:
        yield quoted(self.value) if isinstance(self.value, str) else json.dumps(self.value)


class Call(NamedTuple):
    """`function(arguments)`"""

    function: str
    arguments: tuple[Expression, ...]

    def pieces(self) -> Pieces:
        yield f"{self.function}("
        yield from _joined(", ", self.arguments)
        yield ")"


class Comparison(NamedTuple):
    """`left == right`"""

    left: Expression
    operator: str
    right: Expression

    def pieces(self) -> Pieces:
        yield self.left
        yield f" {self.operator} "
        yield self.right


class Not(NamedTuple):
    """`!operand`"""

    operand: Expression

    def pieces(self) -> Pieces:
        is_bare = isinstance(self.operand, (Query, Call))
        yield from ("!", self.operand) if is_bare else ("!(", self.operand, ")")


class And(NamedTuple):
    """`a && b`"""

    operands: tuple[Expression, ...]

    def pieces(self) -> Pieces:
        for index, operand in enumerate(self.operands):
            if index:
                yield " && "
            yield from ("(", operand, ")") if isinstance(operand, Or) else (operand,)


class Or(NamedTuple):
    """`a || b`"""

    operands: tuple[Expression, ...]

    def pieces(self) -> Pieces:
        yield from _joined(" || ", self.operands)


Selector: TypeAlias = Name | Index | Wildcard | Slice | Filter
Expression: TypeAlias = Query | Literal | Call | Comparison | Not | And | Or
Part: TypeAlias = Selector | Segment | Expression
Pieces: TypeAlias = "Iterator[str | Part]"


def text_of(query: Query) -> str:
    """Return the normalized text of a query; not recursive, for a query may nest."""
    found: list[str] = []
    stack: list[Pieces] = [query.pieces()]
    while stack:
        for piece in stack[-1]:
            if not isinstance(piece, str):
                stack.append(piece.pieces())
                break
            found.append(piece)
        else:
            stack.pop()
    return "".join(found)


def _joined(mark: str, parts: Iterable[Part]) -> Pieces:
    for index, part in enumerate(parts):
        if index:
            yield mark
        yield part
