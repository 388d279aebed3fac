"""Depth and size, known before a parser that recurses sees the text."""

from __future__ import annotations

import re

from infra_json.errors import TooDeep, TooLarge

__all__ = ["MAX_BYTES", "MAX_DEPTH", "check_depth", "check_size", "too_deep"]

MAX_DEPTH = 512
MAX_BYTES = 64 * 1024 * 1024

# A string, which may hold brackets that do not nest; or a bracket. An unclosed string runs to the
# end of the text: the parser will refuse it.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*+(?:"|\Z)|([\[{])|([\]}])', re.DOTALL)


def check_size(length: int, max_bytes: int) -> None:
    """Raise TooLarge when a text of *length* bytes is longer than allowed."""
    if length > max_bytes:
        msg = f"the document has {length:,} bytes, {max_bytes:,} are allowed"
        raise TooLarge(msg, length=length, max_bytes=max_bytes)


def check_depth(text: str, max_depth: int) -> None:
    """Raise TooDeep when brackets nest deeper than allowed; a bad text may pass, to be parsed."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if match[1]:
            depth += 1
            if depth > max_depth:
                raise too_deep(max_depth, offset=match.start())
        elif match[2]:
            depth -= 1


def too_deep(max_depth: int, *, offset: int | None = None, path: str | None = None) -> TooDeep:
    """Return the error for a document deeper than *max_depth*."""
    where = {"offset": offset, "path": path}
    context = {name: value for name, value in where.items() if value is not None}
    return TooDeep(f"the document nests deeper than {max_depth} levels", context=context)
