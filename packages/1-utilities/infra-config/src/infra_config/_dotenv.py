r"""
The lines of a `.env` file: `KEY=value`, `export KEY=value`, comments and quotes.

There is no expansion and no command in it. In single quotes a text stands as it is, in double
quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are read; both may span lines. Without quotes a value
ends at ` #` or the line's end. Of a name given twice the last counts, as in a shell.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Lines", "lines_of"]

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_VALUE = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|([^\n]*)", re.DOTALL)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class Lines(NamedTuple):
    """What a file says: texts by name, places of their values, places that cannot be read."""

    texts: dict[str, str]
    places: dict[str, tuple[int, int]]
    wrong: list[tuple[int, int]]


def lines_of(text: str) -> Lines:
    """Return the variables of a text; line and column are from 1."""
    found = Lines({}, {}, [])
    text = text.replace("\r\n", "\n")
    position = 0
    while position < len(text):
        blank = _BLANK.match(text, position)
        position = blank.end() if blank else _line(text, position, found)
    return found


def _line(text: str, start: int, found: Lines) -> int:
    """Read the variable that begins here and return where the next line does."""
    name = _NAME.match(text, start)
    at = start if name is None else name.end()
    value = _VALUE.match(text, at)
    quoted = name is not None and text[at : at + 1] in {"'", '"'}
    # a quote that does not close, or has something behind it, matches as plain text
    rest = _BLANK.match(text, value.end()) if value else None
    if name is None or value is None or rest is None or (quoted and value[3] is not None):
        found.wrong.append(_place(text, at))
        end = text.find("\n", start)
        return len(text) if end < 0 else end + 1
    found.texts[name[1]] = _text_of(value)
    found.places[name[1]] = _place(text, at)
    return rest.end()


def _text_of(value: re.Match[str]) -> str:
    single, double, plain = value.groups()
    if single is not None:
        return single
    if double is not None:
        return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), double)
    return _COMMENT.sub("", plain).strip()


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
