r"""
Paths into documents: read, and write into new documents.

A path is a dot path (`items[0].name`), a text that begins with "/" (a JSON Pointer) or a Pointer.
A dot path is made of names between dots, of indexes (`items.0`, `items[0]`) and of quoted names
(`["a.b"]`). `\.`, `\[`, `\]` and `\\` stand for the character itself, within quotes `\"` and `\\`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from infra_json._text import short
from infra_json.errors import PathError, PathMissing
from infra_json.pointer import Pointer

if TYPE_CHECKING:
    from infra_json.codec import JsonValue

__all__ = ["get", "has", "put", "remove", "require"]

_MISSING: Any = object()


def get(doc: JsonValue, path: str | Pointer, default: Any = None) -> Any:
    """
    Return the value at a path, or `default` where nothing is; a null there is None.

    On an array a segment is an index without sign and leading zero; all else is missing there.
    Raises PathError for a malformed path.
    """
    node: Any = doc
    for token, index in path.steps if path.__class__ is Pointer else _pointer(path).steps:
        if isinstance(node, dict):
            if token not in node:
                return default
            node = node[token]
        elif isinstance(node, list) and 0 <= index < len(node):
            node = node[index]
        else:
            return default
    return node


def require(doc: JsonValue, path: str | Pointer) -> Any:
    """Return the value at a path; PathMissing names the first segment that is missing."""
    pointer = _pointer(path)
    value = get(doc, pointer, _MISSING)
    if value is _MISSING:
        raise _missing(doc, pointer)
    return value


def has(doc: JsonValue, path: str | Pointer) -> bool:
    """Return whether something, a null too, is at a path."""
    return get(doc, path, _MISSING) is not _MISSING


def put(doc: JsonValue, path: str | Pointer, value: Any, *, create: bool = False) -> Any:
    """
    Return a new document with the value at a path; untouched parts are shared with the old one.

    In an array the index that equals its length appends. `create` makes the objects missing on the
    way, never arrays. Raises PathMissing where a parent is missing or an index is out of range, and
    PathError where a scalar is in the way.
    """
    pointer = _pointer(path)
    root: list[Any] = [doc]
    parent: Any = root
    key: Any = 0
    for position, (token, index) in enumerate(pointer.steps):
        node = _opened(parent, key, pointer, position)
        if isinstance(node, list):
            if not 0 <= index <= len(node):
                raise _missing(doc, pointer)
            key = index
            is_new = index == len(node)
        else:
            key = token
            is_new = token not in node
        if is_new:
            if position + 1 < len(pointer.steps) and not create:
                raise _missing(doc, pointer)
            if isinstance(node, list):
                node.append({})
            else:
                node[token] = {}
        parent = node
    parent[key] = value
    return root[0]


def remove(doc: JsonValue, path: str | Pointer, *, missing_ok: bool = False) -> Any:
    """
    Return a new document without what is at a path; untouched parts are shared with the old one.

    Raises PathMissing where nothing is, unless `missing_ok`; PathError for the whole document.
    """
    pointer = _pointer(path)
    if not pointer.steps:
        msg = "the whole document cannot be removed from itself"
        raise PathError(msg, path="")
    if not has(doc, pointer):
        if missing_ok:
            return doc
        raise _missing(doc, pointer)
    root: list[Any] = [doc]
    parent: Any = root
    key: Any = 0
    for position, (token, index) in enumerate(pointer.steps):
        parent = _opened(parent, key, pointer, position)
        key = index if isinstance(parent, list) else token
    del parent[key]
    return root[0]


def _opened(parent: Any, key: Any, pointer: Pointer, position: int) -> Any:
    """Put a copy of the container at a place there, and return it."""
    node = parent[key]
    if isinstance(node, dict):
        node = dict(node)
    elif isinstance(node, list):
        node = list(node)
    else:
        at = str(Pointer.from_tokens(pointer.tokens[:position])) or "the root"
        msg = f"{short(str(pointer))} cannot be reached: a scalar is at {short(at)}"
        raise PathError(msg, path=str(pointer))
    parent[key] = node
    return node


def _missing(doc: JsonValue, pointer: Pointer) -> PathMissing:
    end = next(
        end
        for end in range(1, len(pointer.tokens) + 1)
        if not has(doc, Pointer.from_tokens(pointer.tokens[:end]))
    )
    segment = pointer.tokens[end - 1]
    msg = f"nothing is at {short(str(pointer))}: {short(segment)!r} is missing"
    return PathMissing(msg, path=str(pointer), segment=segment)


def _pointer(path: str | Pointer) -> Pointer:
    if isinstance(path, Pointer):
        return path
    if isinstance(path, str):
        return _parsed(path)
    msg = f"a path is text or a Pointer, not {type(path).__name__}"
    raise PathError(msg)


# One segment with what introduces it. A bare name may not begin a path with "[".
_SEGMENT = re.compile(
    r"""\[(?P<index>-?[0-9]+)\]
      | \["(?P<quoted>(?:[^"\\]|\\["\\])*)"\]
      | (?P<dot>\.?)(?P<name>(?:[^.\[\]\\]|\\[.\[\]\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@lru_cache(maxsize=1024)
def _parsed(path: str) -> Pointer:
    if path.startswith("/"):
        return Pointer(path)
    tokens: list[str] = []
    position = 0
    while position < len(path) or not tokens:
        match = _SEGMENT.match(path, position)
        # a dot stands between names: not before the first one, and never left out
        if match is None or (match["name"] and bool(match["dot"]) != bool(tokens)):
            msg = f"the path {short(path)!r} makes no sense from character {position + 1} on"
            hint = 'write names between dots, indexes as [0], other names as ["a.b"]'
            raise PathError(f"{msg}: {hint}", path=path, offset=position)
        if match["index"] is not None:
            tokens.append(match["index"])
        else:
            text = match["name"] if match["quoted"] is None else match["quoted"]
            tokens.append(_ESCAPE.sub(r"\1", text))
        position = match.end()
    return Pointer.from_tokens(tokens)
