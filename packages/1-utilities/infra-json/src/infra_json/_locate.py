"""Where in a text a parser's complaint lies: read again, slowly, only after a failure."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_DIGITS", "Place", "place", "problem"]

MAX_DIGITS = 4300

_TOKEN = re.compile(
    r"""[ \t\n\r]*(?:
        (?P<string>"(?:[^"\\\x00-\x1f]+|\\.)*+")
      | (?P<number>-?[0-9][0-9.eE+-]*)
      | (?P<word>-?[A-Za-z]+)
      | (?P<mark>[\[\]{}:,])
    )""",
    re.VERBOSE | re.DOTALL,
)


class Place(NamedTuple):
    """A position: line and column from 1, offset from 0, and the JSON Pointer being read there."""

    line: int
    column: int
    offset: int
    path: str


class _Token(NamedTuple):
    offset: int
    kind: str
    text: str
    path: tuple[str | int, ...]
    is_name: bool


def place(text: str, offset: int) -> Place:
    """Return what the offset of a text is to a reader."""
    path: tuple[str | int, ...] = ()
    for token in _tokens(text):
        if token.offset > offset:
            break
        path = token.path
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return Place(line, column, offset, _pointer(path))


def problem(text: str, *, duplicates: bool, decimals: bool) -> tuple[str, int] | None:
    """Return what strict JSON refuses in a text that parses, and its offset; else None."""
    seen: dict[tuple[str | int, ...], set[str]] = {}
    for token in _tokens(text):
        if token.is_name and duplicates:
            names = seen.setdefault(token.path[:-1], set())
            name = str(token.path[-1])
            if name in names:
                return f"the name {_short(token.text)} stands twice in one object", token.offset
            names.add(name)
        elif token.kind == "mark" and token.text == "{":
            seen[token.path] = set()
        elif token.kind == "word" and token.text not in {"true", "false", "null"}:
            return f"{token.text} is no JSON number", token.offset
        elif token.kind == "number" and (why := _number_problem(token.text, decimals=decimals)):
            return why, token.offset
    return None


def _number_problem(text: str, *, decimals: bool) -> str | None:
    if not any(mark in text for mark in ".eE"):
        return (
            f"an integer of more than {MAX_DIGITS:,} digits"
            if len(text.lstrip("-")) > MAX_DIGITS
            else None
        )
    if not decimals and math.isinf(float(text)):
        return f"the number {text[:40]} is too large for a double"
    return None


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a text, each with the path being read, as far as the text makes sense."""
    path: list[str | int] = []
    in_object: list[bool] = []
    expects_name = False
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = str(match.lastgroup)
        token = match[kind]
        offset = match.start(kind)
        is_name = expects_name and kind == "string"
        if is_name:
            path[-1] = _unquote(token)
            expects_name = False
        yield _Token(offset, kind, token, tuple(path), is_name)
        if kind != "mark":
            continue
        if token in "[{":
            in_object.append(token == "{")
            path.append(0 if token == "[" else "")
            expects_name = token == "{"
        elif token in "]}" and path:
            in_object.pop()
            path.pop()
            expects_name = False
        elif token == "," and path:
            expects_name = in_object[-1]
            if not expects_name:
                path[-1] = int(path[-1]) + 1


def _unquote(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
