"""Two merges that differ in what null means: RFC 7396, where it removes, and configuration's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_json import _keys
from infra_json._copying import copied
from infra_json._text import pointer_text, short
from infra_json.equality import equal
from infra_json.errors import NullInMerge

if TYPE_CHECKING:
    from infra_json.codec import JsonValue

__all__ = ["create_merge_patch", "deep_merge", "merge_patch"]


def merge_patch(target: JsonValue, patch: JsonValue) -> Any:
    """
    Return the target with a merge patch applied (RFC 7396): objects by name, null removes.

    Neither is changed; untouched parts are shared with the target. Raises TooDeep beyond 2,000
    levels.
    """
    _keys.checked_bytes(target)
    _keys.checked_bytes(patch)
    root: dict[str, Any] = {}
    todo: list[tuple[dict[str, Any], str, Any, Any]] = [(root, "", target, patch)]
    while todo:
        parent, name, old, new = todo.pop()
        if not isinstance(new, dict):
            parent[name] = copied(new)
            continue
        parent[name] = merged = dict(old) if isinstance(old, dict) else {}
        for key, value in new.items():
            if value is None:
                merged.pop(key, None)
            else:
                before = merged.get(key)
                merged[key] = None  # takes its place now, and its value in its turn
                todo.append((merged, key, before, value))
    return root[""]


def create_merge_patch(a: JsonValue, b: JsonValue) -> Any:
    """
    Return the merge patch (RFC 7396) that turns one document into another.

    Raises NullInMerge when `b` has a null that would have to be set, for a merge patch has no way
    to say that; TooDeep beyond 2,000 levels.
    """
    _keys.checked_bytes(a)
    _keys.checked_bytes(b)
    root: dict[str, Any] = {}
    todo: list[tuple[dict[str, Any], str, Any, Any, tuple[str, ...]]] = [(root, "", a, b, ())]
    compared: list[tuple[dict[str, Any], str, dict[str, Any]]] = []
    while todo:
        parent, name, old, new, path = todo.pop()
        if not isinstance(new, dict):
            parent[name] = copied(new)
            continue
        patch: dict[str, Any] = {}
        parent[name] = patch
        if isinstance(old, dict):
            compared.append((parent, name, patch))
        before = old if isinstance(old, dict) else {}
        patch.update(dict.fromkeys(key for key in before if key not in new))
        for key, value in new.items():
            if not _needs_change(before, key, value):
                continue
            if value is None:
                at = pointer_text((*path, key))
                msg = f"a merge patch cannot set {short(at)} to null: use a JSON Patch (diff)"
                raise NullInMerge(msg, path=at)
            patch[key] = None
            todo.append((patch, key, before.get(key), value, (*path, key)))
    for parent, name, patch in reversed(compared[1:]):
        if not patch:  # the objects turned out to be equal
            del parent[name]
    return root[""]


def _needs_change(before: dict[str, Any], key: str, value: Any) -> bool:
    """Return whether a member has to be looked into: two objects are compared when they come up."""
    old = before.get(key)
    are_objects = isinstance(old, dict) and isinstance(value, dict)
    return key not in before or are_objects or not equal(old, value)


def deep_merge(base: JsonValue, over: JsonValue) -> Any:
    """
    Return a configuration with another laid over it: objects by name, all else replaces.

    A null is a value like others. Neither is changed; parts are shared with both. Raises TooDeep
    beyond 2,000 levels.
    """
    _keys.checked_bytes(base)
    _keys.checked_bytes(over)
    root: dict[str, Any] = {"": base}
    todo: list[tuple[dict[str, Any], str, Any]] = [(root, "", over)]
    while todo:
        parent, name, new = todo.pop()
        old = parent.get(name)
        if not isinstance(old, dict) or not isinstance(new, dict):
            parent[name] = new
            continue
        parent[name] = merged = dict(old)
        for key, value in new.items():
            if key in old:
                todo.append((merged, key, value))
            else:
                merged[key] = value
    return root[""]
