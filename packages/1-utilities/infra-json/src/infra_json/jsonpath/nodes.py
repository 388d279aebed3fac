"""What a query finds: a value and where it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from infra_json.equality import equal
from infra_json.pointer import Pointer

if TYPE_CHECKING:
    from infra_json.codec import JsonValue

__all__ = ["Location", "Node", "quoted"]

# The parent's location and the name or index in it; None is the root. Written out only on demand.
Location: TypeAlias = "tuple[Location, str | int] | None"

_SPECIAL = re.compile(r"[\x00-\x1f'\\]")
_NAMED = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "'": r"\'", "\\": r"\\"}


class Node:
    """A value that a query found; `path` is normalized (RFC 9535, 2.7), `pointer` says the same."""

    __slots__ = ("_location", "value")

    value: JsonValue

    def __init__(self, value: Any, location: Location) -> None:
        self.value = value
        self._location = location

    @property
    def path(self) -> str:
        """The normalized path, such as `$['items'][0]`."""
        steps = [f"[{key if isinstance(key, int) else quoted(key)}]" for key in self._keys()]
        return "$" + "".join(steps)

    @property
    def pointer(self) -> Pointer:
        """The same place as a JSON Pointer."""
        return Pointer.from_tokens(self._keys())

    def _keys(self) -> list[str | int]:
        found: list[str | int] = []
        at = self._location
        while at is not None:
            at, key = at
            found.append(key)
        found.reverse()
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._keys() == other._keys() and equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(tuple(self._keys()))

    def __repr__(self) -> str:
        return f"Node(path={self.path!r}, value={self.value!r})"


def quoted(name: str) -> str:
    """Return a name in single quotes, escaped as normalized paths are."""
    return f"'{_SPECIAL.sub(_escape, name)}'"


def _escape(match: re.Match[str]) -> str:
    return _NAMED.get(match[0]) or f"\\u{ord(match[0]):04x}"
