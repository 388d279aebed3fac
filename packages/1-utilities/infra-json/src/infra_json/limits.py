"""Depth and size, known before code that recurses sees a text or a document."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from infra_json.errors import TooDeep, TooLarge

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NESTING",
    "check_depth",
    "check_nesting",
    "check_size",
    "skeleton",
    "too_deep",
]

MAX_DEPTH = 512  # of a text that is read or written, unless the caller says otherwise
MAX_NESTING = 2000  # of a document that is compared, patched, merged or structured
MAX_BYTES = 64 * 1024 * 1024

# A string, which may hold brackets that do not nest; or a bracket. An unclosed string runs to the
# end of the text: the parser will refuse it.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*+(?:"|\Z)|([\[{])|([\]}])', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"[]{}:')


def check_size(length: int, max_bytes: int) -> None:
    """Raise TooLarge when a text of *length* bytes is longer than allowed."""
    if length > max_bytes:
        msg = f"the document has {length:,} bytes, {max_bytes:,} are allowed"
        raise TooLarge(msg, length=length, max_bytes=max_bytes)


def skeleton(raw: bytes) -> bytes:
    """Return the brackets, all written as [ and ], and the colons of a text outside its strings."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    raw = raw.translate(_ONE_KIND, _NOT_STRUCTURE)
    # Two quotes side by side go: whether a character stands within a string stays as it was.
    raw = raw.replace(b'""', b"")
    return b"".join(raw.split(b'"')[::2]) if b'"' in raw else raw


def check_depth(text: str, bones: bytes, max_depth: int) -> None:
    """Raise TooDeep when brackets nest deeper than allowed; a bad text may pass, to be parsed."""
    if bones.count(b"[") <= max_depth:
        return
    brackets = bones.replace(b":", b"")
    levels = 0
    while brackets and levels < 16:  # each round takes the innermost level off
        brackets = brackets.replace(b"[]", b"")
        levels += 1
    steps = [1 if byte == ord("[") else -1 for byte in brackets]
    if levels + max(accumulate(steps), default=0) > max_depth:
        raise too_deep(max_depth, offset=_offset(text, max_depth))


def _offset(text: str, max_depth: int) -> int | None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += bool(match[1]) - bool(match[2])
        if depth > max_depth:
            return match.start()
    return None


def check_nesting(doc: object, max_depth: int = MAX_NESTING) -> None:
    """Raise TooDeep when a document nests deeper than allowed, as one that holds itself does."""
    level: list[Any] = [doc]
    for _ in range(max(1, max_depth)):
        inner = [
            item
            for node in level
            if isinstance(node, (dict, list, tuple))
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, (dict, list, tuple))
        ]
        if not inner:
            return
        # what is shared counts once: else a small document could have a huge level
        level = list({id(node): node for node in inner}.values())
    raise too_deep(max_depth)


def too_deep(max_depth: int, *, offset: int | None = None, path: str | None = None) -> TooDeep:
    """Return the error for a document deeper than *max_depth*."""
    where = {"offset": offset, "path": path}
    context = {name: value for name, value in where.items() if value is not None}
    return TooDeep(f"the document nests deeper than {max_depth} levels", context=context)
