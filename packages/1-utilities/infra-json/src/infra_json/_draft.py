"""A document being patched: what it shares with the original is copied before it is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_json._copying import counted_copy
from infra_json._text import short
from infra_json.equality import equal

if TYPE_CHECKING:
    from infra_json.pointer import Pointer

__all__ = ["Draft", "Fault", "TestFault"]

MAX_COPIED = 1_000_000

Undo = list[tuple[str, tuple[str | int, ...], Any]]


class Fault(Exception):
    """An operation does not fit the document."""


class TestFault(Fault):
    """A `test` found another value."""


class Draft:
    """
    The six operations on a document of which only this draft's own containers are changed.

    After a failed operation the draft is of no use; the document it was made from is as it was.
    """

    def __init__(self, doc: Any) -> None:
        self._slot: list[Any] = [doc]  # so that the root has a parent too
        self._own: dict[int, Any] = {}  # by id; held here, so that no id is used again
        self._undo: Undo = []
        self._copied = 0

    @property
    def root(self) -> Any:
        return self._slot[0]

    def undo(self) -> Undo:
        """Return the inverse changes since the last call, in the order they were done."""
        found, self._undo = self._undo, []
        self._own.clear()  # what these hold must stay as it is: every container is shared again
        return found

    def add(self, path: Pointer, value: Any) -> None:
        if not path.steps:
            self._note("replace", (), self._slot[0])
            self._slot[0] = value
            return
        parent, token, index = self._open(path)
        if isinstance(parent, dict):
            if token in parent:
                self._note("replace", path.tokens, parent[token])
            else:
                self._note("remove", path.tokens)
            parent[token] = value
            return
        if token == "-":
            index = len(parent)
        if not 0 <= index <= len(parent):
            raise _no_element(token)
        self._note("remove", (*path.tokens[:-1], index))
        parent.insert(index, value)

    def remove(self, path: Pointer) -> Any:
        if not path.steps:
            msg = "the whole document cannot be removed"
            raise Fault(msg)
        parent, key = self._existing(path)
        value = parent.pop(key)
        self._note("add", path.tokens, value)
        return value

    def replace(self, path: Pointer, value: Any) -> None:
        if path.steps:
            parent, key = self._existing(path)
        else:
            parent, key = self._slot, 0
        self._note("replace", path.tokens, parent[key])
        parent[key] = value

    def move(self, source: Pointer, path: Pointer) -> None:
        if source == path:
            self._find(source)
        else:
            self.add(path, self.remove(source))

    def copy(self, source: Pointer, path: Pointer) -> None:
        try:
            value, count = counted_copy(self._find(source), MAX_COPIED - self._copied)
        except OverflowError:
            msg = f"the patch copies more than {MAX_COPIED:,} values"
            raise Fault(msg) from None
        self._copied += count
        self.add(path, value)

    def test(self, path: Pointer, value: Any) -> None:
        if not equal(self._find(path), value):
            msg = "the value there is another one"
            raise TestFault(msg)

    def _note(self, op: str, tokens: tuple[str | int, ...], value: Any = None) -> None:
        self._undo.append((op, tokens, value))

    def _open(self, path: Pointer) -> tuple[Any, str, int]:
        """Return the container a path ends in, made our own, and the last token."""
        own = self._own
        last = len(path.steps) - 1
        parent: Any = self._slot
        key: Any = 0
        for position, (token, index) in enumerate(path.steps):
            node = parent[key]
            if id(node) not in own:
                if not isinstance(node, (dict, list)):
                    raise _scalar(token)
                parent[key] = node = node.copy()
                own[id(node)] = node
            parent = node
            if isinstance(node, dict):
                key = token
                if position < last and token not in node:
                    raise _no_member(token)
            else:
                key = index
                if position < last and not 0 <= index < len(node):
                    raise _no_element(token)
        return parent, *path.steps[-1]

    def _existing(self, path: Pointer) -> tuple[Any, str | int]:
        parent, token, index = self._open(path)
        if isinstance(parent, dict):
            if token not in parent:
                raise _no_member(token)
            return parent, token
        if not 0 <= index < len(parent):
            raise _no_element(token)
        return parent, index

    def _find(self, path: Pointer) -> Any:
        node = self._slot[0]
        for token, index in path.steps:
            if isinstance(node, dict):
                if token not in node:
                    raise _no_member(token)
                node = node[token]
            elif isinstance(node, list):
                if not 0 <= index < len(node):
                    raise _no_element(token)
                node = node[index]
            else:
                raise _scalar(token)
        return node


def _no_member(token: str) -> Fault:
    return Fault(f"there is no member {short(token)!r}")


def _no_element(token: str) -> Fault:
    return Fault(f"there is no element {short(token)!r} in the array")


def _scalar(token: str) -> Fault:
    return Fault(f"{short(token)!r} leads into a scalar")
