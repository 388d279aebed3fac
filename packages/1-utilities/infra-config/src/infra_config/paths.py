"""
Dot paths: the names of settings as text.

`server.port`, `mirrors[0].url`, `limits["a.b"]`, `limits.a\\.b`: a name as it stands, a place in a
list, and two ways to write a name that holds a dot or a bracket.
"""

from __future__ import annotations

import re
from typing import NoReturn

from infra_config.errors import BadPath

__all__ = ["Parts", "is_place", "parse", "render"]

Parts = tuple[str | int, ...]

_NAME = re.compile(r"(?:[^.\[\]\\]|\\[.\[\]\\])+")
_INDEX = re.compile(r"\[(-?[0-9]+)\]")
_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")
_QUOTED = re.compile(r'\["((?:[^"\\]|\\["\\])*)"\]')
_PLAIN = re.compile(r"[^.\[\]\\\"]+")


def parse(text: str) -> Parts:
    """
    Return the parts of a dot path: names as str, places in a list as int.

    Raises BadPath for an empty path, an empty part and a bracket that does not close.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        if found := _INDEX.match(text, position):
            # no list has a place 01 or -1
            parts.append(int(found[1]) if is_place(found[1]) else found[1])
        elif found := _QUOTED.match(text, position):
            parts.append(_unescape(found[1]))
        else:
            if parts:
                position += _dot(text, position)
            found = _NAME.match(text, position)
            if found is None:
                _refuse(text, position)
            parts.append(_unescape(found[0]))
        position = found.end()
    if not parts:
        _refuse(text, 0)
    return tuple(parts)


def is_place(text: str) -> bool:
    """Whether a text is a place in a list: digits without a leading zero."""
    return _PLACE.fullmatch(text) is not None


def render(path: Parts) -> str:
    """Return the text that `parse` reads as this path; "" for the empty one."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def _dot(text: str, position: int) -> int:
    """Return 1 for the dot that stands between two names."""
    if text[position] != ".":
        _refuse(text, position)
    return 1


def _refuse(text: str, position: int) -> NoReturn:
    message = f"{text[:200]!r} is no path, at character {position + 1}: write server.port"
    raise BadPath(message)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
