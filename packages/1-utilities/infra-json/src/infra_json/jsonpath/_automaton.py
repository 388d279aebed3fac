"""A pattern as a finite automaton: linear in the text, whatever the pattern."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from infra_json.errors import QueryError
from infra_json.jsonpath._regexp import Anchor, Chars, Choice, Repeat, Sequence

if TYPE_CHECKING:
    from infra_json.jsonpath._regexp import Tree

__all__ = ["Automaton"]

MAX_STATES = 2_000
_MAX_REMEMBERED = 200_000  # states in all sets together

States = frozenset[int]


class Automaton:
    """
    Thompson's construction, run on all states at once.

    Which states follow on which states and character is remembered, as a deterministic automaton
    would know it, so that a long text costs a table look-up a character.
    """

    def __init__(self, tree: Tree) -> None:
        # A state takes a character and goes on to one other, or goes on to others at once: where
        # it is an anchor, only at that end of the text.
        self._chars: list[Chars | Anchor | None] = [None]
        self._next: list[tuple[int, ...]] = [()]  # the first state is the end
        first = self._build(tree, 0)
        self._start = self._closure([first], "^")
        self._later = self._closure([first])
        self._known: dict[tuple[States, str], States] = {}
        self._remembered = 0

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches."""
        states = self._start
        for char in text:
            states = self._step(states, char)
            if not states:
                return False
        return self._accepts(states, text)

    def finds(self, text: str) -> bool:
        """Return whether some part of the text matches."""
        states = self._start
        for char in text:
            if 0 in states:
                return True
            states = self._step(states, char) | self._later
        return self._accepts(states, text)

    def _accepts(self, states: States, text: str) -> bool:
        return 0 in states or 0 in self._closure(list(states), "$" if text else "^$")

    def _step(self, states: States, char: str) -> States:
        found = self._known.get((states, char))
        if found is None:
            if self._remembered > _MAX_REMEMBERED:
                self._known.clear()
                self._remembered = 0
            passed = [
                state
                for state in states
                if isinstance(chars := self._chars[state], Chars) and _takes(chars, char)
            ]
            found = self._closure([self._next[state][0] for state in passed])
            self._known[states, char] = found
            self._remembered += len(found) + 1
        return found

    def _closure(self, todo: list[int], anchors: str = "") -> States:
        """Return the states reachable without a character, through these anchors, but no forks."""
        seen: set[int] = set()
        while todo:
            state = todo.pop()
            if state not in seen:
                seen.add(state)
                kind = self._chars[state]
                if kind is None or (isinstance(kind, Anchor) and kind.mark in anchors):
                    todo.extend(self._next[state])
        return frozenset([state for state in seen if state == 0 or self._chars[state] is not None])

    def _add(self, chars: Chars | Anchor | None, *following: int) -> int:
        if len(self._next) >= MAX_STATES:
            msg = "a regular expression is too large: repeat less"
            raise QueryError(msg)
        self._chars.append(chars)
        self._next.append(following)
        return len(self._next) - 1

    def _build(self, tree: Tree, following: int) -> int:
        """Add the states of a tree that goes on to a state; return the one it begins with."""
        match tree:
            case Chars() | Anchor():
                return self._add(tree, following)
            case Sequence(items):
                for item in reversed(items):
                    following = self._build(item, following)
                return following
            case Choice(items):
                return self._add(None, *[self._build(item, following) for item in items])
            case Repeat(item, low, high):
                start = following
                if high is None:
                    start = self._add(None)
                    self._next[start] = (self._build(item, start), following)
                else:
                    for _ in range(high - low):
                        start = self._add(None, self._build(item, start), following)
                for _ in range(low):
                    start = self._build(item, start)
                return start


def _takes(chars: Chars, char: str) -> bool:
    found = any(low <= char <= high for low, high in chars.ranges) or any(
        _is_in(category, char) for category in chars.categories
    )
    return found != chars.is_negated


def _is_in(category: str, char: str) -> bool:
    wanted = category.removeprefix("^")
    return unicodedata.category(char).startswith(wanted) == (wanted == category)
