"""
I-Regexp (RFC 9485): what `match` and `search` take, never slow by its pattern.

A pattern with one point of choice at most runs on `re`. Where a backtracking engine could try
combinations, the pattern runs on an automaton, in time linear in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from infra_json.jsonpath._automaton import Automaton
from infra_json.jsonpath._regexp import (
    Anchor,
    BadPattern,
    Chars,
    Choice,
    Repeat,
    Sequence,
    Tree,
    parsed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["matches"]


def matches(pattern: str, text: str, *, whole: bool) -> bool:
    """
    Return whether a pattern matches the whole text, or some part of it.

    A pattern that is no I-Regexp matches nothing. Raises QueryError for one that is too large.
    """
    return _compiled(pattern, whole)(text)


@lru_cache(maxsize=256)
def _compiled(pattern: str, whole: bool) -> Callable[[str], bool]:
    try:
        tree = parsed(pattern)
    except BadPattern:
        return lambda text: False
    points = _choices(tree)
    if points == 0 or (points == 1 and (whole or not _is_unbounded(tree))):
        expression = re.compile(_for_re(tree))
        found = expression.fullmatch if whole else expression.search
        return lambda text: found(text) is not None
    automaton = Automaton(tree)
    return automaton.matches if whole else automaton.finds


def _choices(tree: Tree) -> int:
    """Count the points at which a backtracking engine could choose; many if they multiply."""
    match tree:
        case Chars():
            return 99 if tree.categories else 0  # `re` knows no categories
        case Anchor():
            return 0
        case Sequence(items):
            return sum(map(_choices, items))
        case Choice(items):
            return 1 + sum(map(_choices, items))
        case Repeat(item, low, high):
            inner = _choices(item)
            return 99 if (inner and high != 1) or low > 1000 else inner + (low != high)


def _is_unbounded(tree: Tree) -> bool:
    match tree:
        case Chars() | Anchor():
            return False
        case Repeat(item, _, high):
            return high is None or high > 1000 or _is_unbounded(item)
        case Sequence(items) | Choice(items):
            return any(map(_is_unbounded, items))


def _for_re(tree: Tree) -> str:
    match tree:
        case Chars(ranges, _, is_negated):
            inside = "".join([f"{_code(low)}-{_code(high)}" for low, high in ranges])
            return f"[{'^' if is_negated else ''}{inside}]"
        case Anchor(mark):
            return r"\A" if mark == "^" else r"\Z"
        case Sequence(items):
            return "".join(map(_for_re, items))
        case Choice(items):
            return f"(?:{'|'.join(map(_for_re, items))})"
        case Repeat(item, low, high):
            return f"(?:{_for_re(item)}){{{low},{'' if high is None else high}}}"


def _code(char: str) -> str:
    return f"\\U{ord(char):08x}"
