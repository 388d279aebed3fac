"""JSON Patch (RFC 6902): operations as an immutable value, applied as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from infra_json import _keys
from infra_json._copying import copied
from infra_json._draft import Draft, Fault, TestFault
from infra_json._text import short
from infra_json.equality import equal
from infra_json.errors import PatchError, PatchTestFailed, PathError
from infra_json.pointer import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_json.codec import JsonValue

__all__ = ["Patch", "apply_patch", "invert"]

MAX_OPERATIONS = 100_000
_WITH_VALUE = frozenset({"add", "replace", "test"})
_WITH_SOURCE = frozenset({"move", "copy"})
_KNOWN = _WITH_VALUE | _WITH_SOURCE | {"remove"}


class Operation(NamedTuple):
    """One operation, checked and parsed."""

    op: str
    path: Pointer
    source: Pointer | None
    value: Any

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as JSON, with a value of the caller's own."""
        found: dict[str, Any] = {"op": self.op, "path": str(self.path)}
        if self.source is not None:
            found["from"] = str(self.source)
        if self.op in _WITH_VALUE:
            found["value"] = copied(self.value)
        return found


class Patch(Sequence[Mapping[str, Any]]):
    """
    A JSON Patch: a sequence of operations that never changes.

    `ops` are mappings as RFC 6902 describes them; their values are copied, members that the RFC
    does not name are dropped. Equal to another patch, or a list of dicts, with the same operations.
    Raises PatchError for what is no operation, and for more than 100,000 of them.
    """

    __slots__ = ("_operations",)

    _operations: tuple[Operation, ...]

    def __init__(self, ops: Iterable[Mapping[str, Any]] = ()) -> None:
        if isinstance(ops, Patch):
            self._operations = ops._operations
            return
        if isinstance(ops, (Mapping, str, bytes)) or not isinstance(ops, Iterable):
            msg = "a patch is an array of operations"
            raise PatchError(msg)
        self._operations = tuple(_parsed(ops))

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Patch:
        """Return the patch of operations that are right, with values that are nobody else's."""
        new = cls.__new__(cls)
        new._operations = tuple(operations)
        return new

    def to_list(self) -> list[dict[str, Any]]:
        """Return the operations as JSON, ready to be written or sent."""
        return [item.to_dict() for item in self._operations]

    __json__ = to_list

    def __len__(self) -> int:
        return len(self._operations)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Patch: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Patch:
        if isinstance(index, slice):
            return Patch.of(self._operations[index])
        return self._operations[index].to_dict()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Patch, list)):
            return NotImplemented
        mine: list[Any] = self.to_list()
        theirs: list[Any] = other.to_list() if isinstance(other, Patch) else other
        return equal(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # it equals lists, which have none

    def __repr__(self) -> str:
        return f"Patch({self.to_list()!r})"


def apply_patch(doc: JsonValue, ops: Patch | Iterable[Mapping[str, Any]]) -> Any:
    """
    Return the document as a patch leaves it; the document itself is never touched.

    Parts that no operation touches are shared with it, values of the patch are copied. Raises
    PatchError with `index`, `op` and `path` for the first operation that does not fit,
    PatchTestFailed for a `test` that says no, TooDeep beyond 2,000 levels.
    """
    patch = Patch(ops)
    _keys.checked_bytes(doc)
    draft = Draft(doc)
    for index, operation in enumerate(patch._operations):
        _apply(draft, index, operation)
    return draft.root


def invert(doc: JsonValue, ops: Patch | Iterable[Mapping[str, Any]]) -> Patch:
    """
    Return the patch that undoes a patch of this document.

    `apply_patch(apply_patch(doc, ops), invert(doc, ops))` equals `doc`. Raises what `apply_patch`
    raises.
    """
    patch = Patch(ops)
    _keys.checked_bytes(doc)
    draft = Draft(doc)
    undo: list[Operation] = []
    for index, operation in enumerate(patch._operations):
        _apply(draft, index, operation)
        for op, tokens, value in draft.undo():
            undo.append(Operation(op, Pointer.from_tokens(tokens), None, copied(value)))
    return Patch.of(reversed(undo))


def _apply(draft: Draft, index: int, operation: Operation) -> None:
    op, path, source, value = operation
    try:
        if op == "replace":
            draft.replace(path, copied(value))
        elif op == "add":
            draft.add(path, copied(value))
        elif op == "remove":
            draft.remove(path)
        elif op == "test":
            draft.test(path, value)
        elif source is not None:
            (draft.move if op == "move" else draft.copy)(source, path)
    except Fault as fault:
        raise _failed(str(fault), index, op, path, type(fault) is TestFault) from None


def _failed(why: str, index: int, op: str, path: object, is_test: bool = False) -> PatchError:
    at = short(str(path)) or "the root"
    kind = PatchTestFailed if is_test else PatchError
    msg = f"operation {index} of the patch ({short(op)} at {at}): {why}; nothing was changed"
    return kind(msg, index=index, op=op, path=str(path))


def _parsed(ops: Iterable[Mapping[str, Any]]) -> Iterator[Operation]:
    for index, given in enumerate(ops):
        if index == MAX_OPERATIONS:
            msg = f"a patch has at most {MAX_OPERATIONS:,} operations"
            raise PatchError(msg, index=index)
        if not isinstance(given, Mapping):
            raise _failed("an operation is an object", index, "?", "")
        yield _operation(index, given)


def _operation(index: int, given: Mapping[str, Any]) -> Operation:
    op, text = given.get("op"), given.get("path")
    if not isinstance(op, str) or op not in _KNOWN:
        raise _failed('"op" is none of the six operations', index, str(op), text)
    if not isinstance(text, str):
        raise _failed('"path" is missing or no text', index, op, text)
    try:
        path = Pointer(text)
        if op in _WITH_SOURCE:
            return Operation(op, path, _source(index, op, path, given.get("from")), None)
    except PathError as error:
        raise _failed(error.message, index, op, text) from error
    if op == "remove":
        return Operation(op, path, None, None)
    if "value" not in given:
        raise _failed('"value" is missing', index, op, text)
    return Operation(op, path, None, copied(given["value"]))


def _source(index: int, op: str, path: Pointer, text: object) -> Pointer:
    if not isinstance(text, str):
        raise _failed('"from" is missing or no text', index, op, path)
    source = Pointer(text)
    if op == "move" and _is_within(path, source):
        raise _failed("a value cannot be moved into itself", index, op, path)
    return source


def _is_within(path: Pointer, other: Pointer) -> bool:
    return path != other and path.tokens[: len(other.tokens)] == other.tokens
