"""
The grammar of I-Regexp (RFC 9485) as a tree.

Outside of classes ^ and $ are anchors, as RFC 9535's compliance suite takes them.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

__all__ = ["Anchor", "BadPattern", "Chars", "Choice", "Repeat", "Sequence", "Tree", "parsed"]

MAX_NESTING = 100


class BadPattern(ValueError):
    """A text is no I-Regexp."""


class Chars(NamedTuple):
    """One character of these ranges and Unicode categories ("L", "Lu", "^Lu"), or of no such."""

    ranges: tuple[tuple[str, str], ...]
    categories: tuple[str, ...] = ()
    is_negated: bool = False


class Anchor(NamedTuple):
    """The start (^) or the end ($) of the text."""

    mark: str


class Sequence(NamedTuple):
    """One after the other."""

    items: tuple[Tree, ...]


class Choice(NamedTuple):
    """One of them."""

    items: tuple[Tree, ...]


class Repeat(NamedTuple):
    """From low to high times, without end where high is None."""

    item: Tree
    low: int
    high: int | None


Tree: TypeAlias = Chars | Anchor | Sequence | Choice | Repeat

_DOT = Chars((("\n", "\n"), ("\r", "\r")), (), True)
_QUANTIFIER = re.compile(r"([*+?])|\{([0-9]+)(?:(,)([0-9]+)?)?\}")
_QUANTITIES: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_CATEGORY = re.compile(
    r"\\([pP])\{(L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|Z[lps]?|S[ckmo]?|C[cfno]?)\}"
)
_ESCAPE = re.compile(r"\\([(-+\-.?\[-^nrt{-}])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


def parsed(pattern: str) -> Tree:
    """Return the tree of a pattern; BadPattern for what is none."""
    if any("\ud800" <= char <= "\udfff" for char in pattern):
        raise BadPattern
    reader = _Reader(pattern)
    tree = reader.choice(0)
    if reader.at < len(pattern):
        raise BadPattern
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def choice(self, depth: int) -> Tree:
        if depth > MAX_NESTING:
            raise BadPattern
        branches = [self.branch(depth)]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.branch(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def branch(self, depth: int) -> Tree:
        pieces: list[Tree] = []
        while (char := self.peek()) and char not in "|)":
            pieces.append(self.quantified(self.atom(depth)))
        return pieces[0] if len(pieces) == 1 else Sequence(tuple(pieces))

    def quantified(self, atom: Tree) -> Tree:
        match = _QUANTIFIER.match(self.text, self.at)
        if match is None:
            return atom
        self.at = match.end()
        if match[1]:
            return Repeat(atom, *_QUANTITIES[match[1]])
        if max(map(len, match.groups(""))) > 9:
            raise BadPattern
        low = int(match[2])
        high = int(match[4]) if match[4] else None if match[3] else low
        if high is not None and high < low:
            raise BadPattern
        return Repeat(atom, low, high)

    def atom(self, depth: int) -> Tree:
        char = self.peek()
        if char == "(":
            self.at += 1
            inner = self.choice(depth + 1)
            self.expect(")")
            return inner
        if char == "[":
            return self.chars()
        if char == "\\":
            return self.category() or self.single()
        self.at += 1
        if char == ".":
            return _DOT
        if char in "^$":
            return Anchor(char)
        if char in "*+?{}]":
            raise BadPattern
        return Chars(((char, char),))

    def category(self) -> Chars | None:
        match = _CATEGORY.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return Chars((), (("^" if match[1] == "P" else "") + match[2],))

    def single(self) -> Chars:
        char = self.escape()
        return Chars(((char, char),))

    def escape(self) -> str:
        match = _ESCAPE.match(self.text, self.at)
        if match is None:
            raise BadPattern
        self.at = match.end()
        return _ESCAPED.get(match[1], match[1])

    def chars(self) -> Chars:
        """Read `[...]`: a hyphen stands for itself first and last only."""
        self.at += 1
        is_negated = self.peek() == "^"
        self.at += is_negated
        ranges: list[tuple[str, str]] = []
        categories: list[str] = []
        if self.peek() == "-":
            self.at += 1
            ranges.append(("-", "-"))
        while self.peek() not in {"]", ""}:
            if self.text.startswith("-]", self.at):
                self.at += 1
                ranges.append(("-", "-"))
            elif found := self.category():
                categories.extend(found.categories)
            else:
                ranges.append(self.range())
        self.expect("]")
        if not ranges and not categories:
            raise BadPattern
        return Chars(tuple(ranges), tuple(categories), is_negated)

    def range(self) -> tuple[str, str]:
        low = self.member()
        if self.peek() != "-" or self.text.startswith("-]", self.at):
            return low, low
        self.at += 1
        high = self.member()
        if high < low:
            raise BadPattern
        return low, high

    def member(self) -> str:
        char = self.peek()
        if char == "\\":
            return self.escape()
        self.at += 1
        if char in {"", "-", "[", "]"}:
            raise BadPattern
        return char

    def expect(self, char: str) -> None:
        if self.peek() != char:
            raise BadPattern
        self.at += 1

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]
