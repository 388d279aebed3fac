"""JSON Pointer (RFC 6901): the exact form of a path, as patches and errors use it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra_json._text import pointer_text, short
from infra_json.errors import PathError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pointer"]

_BAD_ESCAPE = re.compile(r"~(?![01])")


class Pointer:
    """
    A place in a document, parsed once: "" is the whole document, else it begins with "/".

    `Pointer("/a~1b/0")` has the tokens ("a/b", "0"). Pointers are immutable, compare by their
    tokens and can be extended: `Pointer("/items") / 0 / "name"`. Raises PathError for a text that
    is no pointer: no leading "/", or a "~" that is neither "~0" nor "~1".
    """

    __slots__ = ("steps", "tokens")

    tokens: tuple[str, ...]
    steps: tuple[tuple[str, int], ...]  # each token with its array index, -1 where it is none

    def __init__(self, text: str = "") -> None:
        if not isinstance(text, str):
            msg = f"a pointer is text, not {type(text).__name__}"
            raise PathError(msg)
        if text and text[0] != "/":
            msg = f'the pointer {short(text)!r} does not begin with "/"'
            raise PathError(msg, path=text)
        tokens = text.split("/")[1:]
        if "~" in text:
            if _BAD_ESCAPE.search(text):
                msg = f'the pointer {short(text)!r} has a "~" that is neither "~0" nor "~1"'
                raise PathError(msg, path=text)
            tokens = [token.replace("~1", "/").replace("~0", "~") for token in tokens]
        self._fill(tokens)

    @classmethod
    def from_tokens(cls, tokens: Iterable[str | int]) -> Pointer:
        """Return the pointer of these names and indexes, unescaped."""
        new = cls.__new__(cls)
        new._fill([str(token) for token in tokens])
        return new

    def _fill(self, tokens: list[str]) -> None:
        _set_tokens(self, tuple(tokens))
        _set_steps(self, tuple([(token, _index(token)) for token in tokens]))

    def __setattr__(self, name: str, value: object) -> None:
        msg = "a Pointer cannot be changed"
        raise AttributeError(msg)

    @property
    def parent(self) -> Pointer:
        """The pointer without its last token; the whole document is its own parent."""
        return Pointer.from_tokens(self.tokens[:-1])

    def __truediv__(self, token: str | int) -> Pointer:
        """Return the pointer one token longer."""
        return Pointer.from_tokens((*self.tokens, token))

    def __str__(self) -> str:
        return pointer_text(self.tokens)

    def __repr__(self) -> str:
        return f"Pointer({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self.tokens == other.tokens if isinstance(other, Pointer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __reduce__(self) -> tuple[type[Pointer], tuple[str]]:
        return Pointer, (str(self),)


# past __setattr__, which refuses
_set_tokens = Pointer.__dict__["tokens"].__set__
_set_steps = Pointer.__dict__["steps"].__set__


def _index(token: str) -> int:
    """Return the array index that a token writes, -1 for none: no sign, no leading zero."""
    if not token.isdecimal() or not token.isascii() or len(token) > 18:
        return -1
    return int(token) if token[0] != "0" or token == "0" else -1
