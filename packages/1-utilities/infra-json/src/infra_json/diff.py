"""The difference of two documents as a JSON Patch (RFC 6902)."""

from __future__ import annotations

from operator import ne
from typing import TYPE_CHECKING, Any, TypeAlias

from infra_json import _keys, _myers
from infra_json._copying import copied
from infra_json.equality import same_scalar
from infra_json.patch import MAX_OPERATIONS, Operation, Patch
from infra_json.pointer import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra_json.codec import JsonValue

__all__ = ["diff"]

_Tokens: TypeAlias = tuple[str | int, ...]
_Pair: TypeAlias = tuple[Any, Any, _Tokens]
_Hunk: TypeAlias = tuple[int, int, int, int]  # from where to where, in one and the other


def diff(a: JsonValue, b: JsonValue, *, max_cost: int = 400) -> Patch:
    """
    Return a patch that turns one document into another: empty for equal ones.

    It consists of add, remove and replace. Members are compared by name, arrays by their longest
    common subsequence, and what was removed and added at one place is compared again. An array in
    which more than `max_cost` elements were removed or added is replaced as a whole, so that time
    is bounded. The order of the operations is determined by the documents. Raises TooDeep beyond
    2,000 levels.
    """
    before, after = _keys.checked_bytes(a), _keys.checked_bytes(b)
    if before is not None and before == after:
        return Patch()
    size = len(before or b"") + len(after or b"")
    return Patch.of(_Differ(max_cost, size).run(a, b))


class _Differ:
    """One comparison: the operations so far, and how much may still be compared for speed."""

    def __init__(self, max_cost: int, size: int) -> None:
        self.max_cost = max_cost
        # A subtree is compared as a whole before it is descended into. Down a long chain that would
        # be quadratic; beyond this many bytes the rest is replaced unseen.
        self.budget = 64 * size + 4_000_000
        self.operations: list[Operation] = []

    def run(self, a: Any, b: Any) -> list[Operation]:
        # two objects are known to differ: they need not be compared as a whole again
        are_objects = isinstance(a, dict) and isinstance(b, dict)
        stack = [self.members(a, b, ()) if are_objects else iter([(a, b, ())])]
        while stack:
            for left, right, path in stack[-1]:
                if (inner := self.compare(left, right, path)) is not None:
                    stack.append(inner)
                    break
            else:
                stack.pop()
        if len(self.operations) > MAX_OPERATIONS:
            return [Operation("replace", Pointer(), None, copied(b))]
        return self.operations

    def compare(self, a: Any, b: Any, path: _Tokens) -> Iterator[_Pair] | None:
        """Note what differs between scalars; return the pairs to compare in two containers."""
        if a is b:
            return None
        if isinstance(a, dict) and isinstance(b, dict):
            before, after = _keys.fast_bytes(a), _keys.fast_bytes(b)
            if before is not None and before == after:
                return None
            self.budget -= len(before or b"") + len(after or b"")
            if self.budget > 0:
                return self.members(a, b, path)
        elif isinstance(a, list) and isinstance(b, list):
            if self.budget > 0:
                return self.elements(a, b, path)
        elif same_scalar(a, b):
            return None
        self.note("replace", path, b)
        return None

    def note(self, op: str, path: _Tokens, value: Any = None) -> None:
        self.operations.append(Operation(op, Pointer.from_tokens(path), None, copied(value)))

    def members(self, a: dict[str, Any], b: dict[str, Any], path: _Tokens) -> Iterator[_Pair]:
        for name in a:
            if name not in b:
                self.note("remove", (*path, name))
        for name, value in b.items():
            if name not in a:
                self.note("add", (*path, name), value)
            elif a[name] is not value:
                yield a[name], value, (*path, name)

    def elements(self, a: list[Any], b: list[Any], path: _Tokens) -> Iterator[_Pair]:
        keys_a, keys_b = _keys.keys(a), _keys.keys(b)
        size = sum([len(key) for keys in (keys_a, keys_b) for key in keys if type(key) is bytes])
        self.budget -= size
        if size:
            _unify(a, keys_a, b, keys_b)
        hunks = _hunks(keys_a, keys_b, self.max_cost)
        if hunks is None:
            self.note("replace", path, b)
            return
        moved = 0  # how far what follows has moved in the array as patched so far
        for start, removed_end, added, added_end in hunks:
            at = start + moved
            paired = min(removed_end - start, added_end - added)
            for offset in range(paired):
                yield a[start + offset], b[added + offset], (*path, at + offset)
            for _ in range(start + paired, removed_end):
                self.note("remove", (*path, at + paired))
            for place in range(added + paired, added_end):
                self.note("add", (*path, at + place - added), b[place])
            moved += added_end - added - (removed_end - start)


def _hunks(keys_a: list[Any], keys_b: list[Any], max_cost: int) -> list[_Hunk] | None:
    """Return where two arrays differ, None where that costs too much to find out."""
    start, end_a, end_b = 0, len(keys_a), len(keys_b)
    shorter = min(end_a, end_b)
    while start < shorter and keys_a[start] == keys_b[start]:
        start += 1
    while end_a > start and end_b > start and keys_a[end_a - 1] == keys_b[end_b - 1]:
        end_a -= 1
        end_b -= 1
    if start == end_a == end_b:
        return []
    if start in {end_a, end_b}:
        return [(start, end_a, start, end_b)]
    middle_a, middle_b = keys_a[start:end_a], keys_b[start:end_b]
    kept = _myers.common(middle_a, middle_b, max_cost)
    if kept is None:
        return None
    found = _between(kept, len(middle_a), len(middle_b))
    cost = sum(max(right - left, high - low) for left, right, low, high in found)
    by_place = sum(map(ne, middle_a, middle_b)) + abs(len(middle_a) - len(middle_b))
    if by_place < cost:
        places = enumerate(zip(middle_a, middle_b, strict=False))
        same = [(index, index) for index, (left, right) in places if left == right]
        found = _between(same, len(middle_a), len(middle_b))
    return [(start + w, start + x, start + y, start + z) for w, x, y, z in found]


def _between(kept: _myers.Pairs, end_a: int, end_b: int) -> list[_Hunk]:
    """Return what lies between the pairs of elements that are kept."""
    found: list[_Hunk] = []
    x = y = 0
    for next_x, next_y in (*kept, (end_a, end_b)):
        if next_x != x or next_y != y:
            found.append((x, next_x, y, next_y))
        x, y = next_x + 1, next_y + 1
    return found


def _unify(a: list[Any], keys_a: list[Any], b: list[Any], keys_b: list[Any]) -> None:
    """Give equal elements equal keys where fast keys differ: names in another order, 1 and 1.0."""
    in_a, in_b = set(keys_a), set(keys_b)
    if in_a <= in_b or in_b <= in_a:
        return
    for items, keys, others in ((a, keys_a, in_b), (b, keys_b, in_a)):
        for index, fast in enumerate(keys):
            if type(fast) is bytes and fast not in others:
                keys[index] = _keys.canonical_key(items[index])
