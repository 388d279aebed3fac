"""The grammar of RFC 9535, and its rules for what may stand where."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from infra_json._text import short
from infra_json.errors import QueryError
from infra_json.jsonpath.functions import FUNCTIONS, LOGICAL, NODES, VALUE
from infra_json.jsonpath.syntax import (
    And,
    Call,
    Comparison,
    Filter,
    Index,
    Literal,
    Name,
    Not,
    Or,
    Query,
    Segment,
    Slice,
    Wildcard,
)

if TYPE_CHECKING:
    from infra_json.jsonpath.syntax import Expression, Selector

__all__ = ["parse"]

MAX_LENGTH = 8192
MAX_NESTING = 100
_MAX_INTEGER = (1 << 53) - 1

_BLANK = re.compile(r"[ \t\n\r]*")
_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][\w\u0080-\U0010ffff]*", re.ASCII)
_INTEGER = re.compile(r"-?[1-9][0-9]*|0")
_SLICE = re.compile(
    r"(-?[1-9][0-9]*|0)?[ \t\n\r]*:[ \t\n\r]*(-?[1-9][0-9]*|0)?[ \t\n\r]*"
    r"(?::(?:[ \t\n\r]*(-?[1-9][0-9]*|0))?)?"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(
    r""""(?:[^\x00-\x1f"\\\ud800-\udfff]|\\["bfnrt/\\]|\\u[0-9a-fA-F]{4})*"
      | '(?:[^\x00-\x1f'\\\ud800-\udfff]|\\['bfnrt/\\]|\\u[0-9a-fA-F]{4})*'""",
    re.VERBOSE,
)
_WORD = re.compile(r"(true|false|null)(?![\w(])|([a-z][a-z_0-9]*)(?=\()")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_WORDS = {"true": True, "false": False, "null": None}


def parse(text: str) -> Query:
    """Return a query's parts; QueryError with the offset of what is wrong."""
    if not isinstance(text, str):
        msg = f"a query is text, not {type(text).__name__}"
        raise QueryError(msg)
    if len(text) > MAX_LENGTH:
        msg = f"the query has {len(text):,} characters, {MAX_LENGTH:,} are allowed"
        raise QueryError(msg)
    parser = _Parser(text)
    if not text.startswith("$"):
        raise parser.wrong("a query begins with $")
    query = parser.query()
    if parser.at < len(text):
        raise parser.wrong("this makes no sense here")
    return query


class _Parser:
    """A position in the text; each method reads one part of the grammar and moves on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def query(self) -> Query:
        root = self.text[self.at]
        self.at += 1
        segments: list[Segment] = []
        while True:
            before = self.at
            self.blank()
            if self.takes(".."):
                segments.append(Segment(True, self.after_dots()))
            elif self.takes("."):
                segments.append(Segment(False, (self.shorthand(),)))
            elif self.text.startswith("[", self.at):
                segments.append(Segment(False, self.brackets()))
            else:
                self.at = before
                return Query(root, tuple(segments))

    def after_dots(self) -> tuple[Selector, ...]:
        if self.text.startswith("[", self.at):
            return self.brackets()
        return (self.shorthand(),)

    def shorthand(self) -> Selector:
        if self.takes("*"):
            return Wildcard()
        if match := _SHORTHAND.match(self.text, self.at):
            self.at = match.end()
            return Name(match[0])
        raise self.wrong("a name or * is missing")

    def brackets(self) -> tuple[Selector, ...]:
        self.enter("[")
        selectors: list[Selector] = []
        while not selectors or self.takes(","):
            self.blank()
            selectors.append(self.selector())
            self.blank()
        self.leave("]")
        return tuple(selectors)

    def selector(self) -> Selector:
        if self.takes("?"):
            self.blank()
            return Filter(self.logical())
        if self.takes("*"):
            return Wildcard()
        if self.text[self.at : self.at + 1] in {'"', "'"}:
            return Name(self.string())
        if match := _SLICE.match(self.text, self.at):
            parts = [None if part is None else self.integer(part) for part in match.groups()]
            self.at = match.end()
            return Slice(*parts)
        if match := _INTEGER.match(self.text, self.at):
            index = self.integer(match[0])
            self.at = match.end()
            return Index(index)
        raise self.wrong("a selector is missing: a quoted name, an index, a slice, * or ?filter")

    # -- filters

    def logical(self) -> Expression:
        """Read `a && b || c`, and check that each part has a truth."""
        either: list[Expression] = []
        both: list[Expression] = []
        while True:
            both.append(self.condition())
            self.blank()
            if self.takes("&&"):
                self.blank()
                continue
            either.append(both[0] if len(both) == 1 else And(tuple(both)))
            if not self.takes("||"):
                return either[0] if len(either) == 1 else Or(tuple(either))
            self.blank()
            both = []

    def condition(self) -> Expression:
        start = self.at
        is_negated = self.takes("!")
        if is_negated:
            self.blank()
        if self.text.startswith("(", self.at):
            self.enter("(")
            inner = self.logical()
            self.blank()
            self.leave(")")
            return Not(inner) if is_negated else inner
        left = self.operand()
        after = self.at
        self.blank()
        match = None if is_negated else _OPERATOR.match(self.text, self.at)
        if match is None:
            self.at = after
            if not _has_truth(left):
                raise self.wrong("this has no truth: compare it with something", start)
            return Not(left) if is_negated else left
        self.comparable(left, start)
        self.at = match.end()
        self.blank()
        start = self.at
        right = self.operand()
        self.comparable(right, start)
        return Comparison(left, match[0], right)

    def comparable(self, operand: Expression, start: int) -> None:
        if isinstance(operand, Query) and not operand.is_singular:
            raise self.wrong("only a query for one node can be compared", start)
        if isinstance(operand, Call) and FUNCTIONS[operand.function].gives != VALUE:
            raise self.wrong(f"{operand.function}() gives no value to compare", start)

    def operand(self) -> Expression:
        first = self.text[self.at : self.at + 1]
        if first in {"$", "@"}:
            return self.query()
        if first in {'"', "'"}:
            return Literal(self.string())
        if match := _WORD.match(self.text, self.at):
            self.at = match.end()
            return Literal(_WORDS[match[1]]) if match[1] else self.call(match[2], match.start())
        if match := _NUMBER.match(self.text, self.at):
            self.at = match.end()
            return Literal(self.number(match[0], match.start()))
        raise self.wrong("a query, a literal or a function is missing")

    def call(self, name: str, start: int) -> Call:
        if name not in FUNCTIONS:
            raise self.wrong(f"there is no function {short(name)}(): {', '.join(FUNCTIONS)}", start)
        self.enter("(")
        arguments: list[Expression] = []
        takes = FUNCTIONS[name].takes
        while not self.text.startswith(")", self.at):
            begin = self.at
            argument = self.operand()
            self.blank()
            wanted = takes[len(arguments)] if len(arguments) < len(takes) else None
            if wanted is None or not _fits(argument, wanted):
                raise self.wrong(f"{name}() takes {' and '.join(takes)}", begin)
            arguments.append(argument)
            if not self.takes(","):
                break
            self.blank()
        if len(arguments) != len(takes):
            raise self.wrong(f"{name}() takes {' and '.join(takes)}", start)
        self.leave(")")
        return Call(name, tuple(arguments))

    # -- words

    def string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            raise self.wrong("the text is not closed, or has a character to be escaped")
        body = match[0][1:-1]
        if match[0][0] == "'":
            # as JSON has it; a backslash in front of anything else is none of \' and stays
            body = re.sub(r"\\.|\"", _requoted, body)
        value = str(json.loads(f'"{body}"'))
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise self.wrong("the text has a surrogate without its partner")
        self.at = match.end()
        return value

    def integer(self, text: str) -> int:
        value = int(text) if len(text) < 18 else _MAX_INTEGER + 1
        if abs(value) > _MAX_INTEGER:
            raise self.wrong("an integer is within ±(2^53 - 1)")
        return value

    def number(self, text: str, start: int) -> int | float:
        if text.lstrip("-").isdecimal() and len(text) < 4300:
            return int(text)
        value = float(text)
        if value in {float("inf"), float("-inf")}:
            raise self.wrong("the number is too large for a double", start)
        return value

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def takes(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def enter(self, mark: str) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.wrong(f"the query nests deeper than {MAX_NESTING} levels")
        self.at += len(mark)
        self.blank()

    def leave(self, mark: str) -> None:
        if not self.takes(mark):
            raise self.wrong(f"{mark} is missing")
        self.depth -= 1

    def wrong(self, why: str, offset: int | None = None) -> QueryError:
        at = self.at if offset is None else offset
        return QueryError(f"not a JSONPath query at character {at + 1}: {why}", offset=at)


def _requoted(match: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(match[0], match[0])


def _has_truth(operand: Expression) -> bool:
    if isinstance(operand, Call):
        return FUNCTIONS[operand.function].gives == LOGICAL
    return isinstance(operand, Query)


def _fits(argument: Expression, wanted: str) -> bool:
    if wanted == NODES:
        return isinstance(argument, Query)
    if isinstance(argument, Query):
        return argument.is_singular
    return not isinstance(argument, Call) or FUNCTIONS[argument.function].gives == VALUE
