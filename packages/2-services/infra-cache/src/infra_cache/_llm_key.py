"""The canonical bytes of a request to a model: everything counts, and only JSON has a form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from infra_cache.codecs import _is_plain
from infra_cache.errors import unencodable
from infra_errors import InfraError
from infra_json import canonicalize

__all__ = ["canonical_request"]

_MAX_SAFE = 2**53 - 1  # beyond it RFC 8785 has no integers
_TAG = "\x00"  # begins a name that stands for something else than itself
_ESCAPED = b"\\u0000"


def canonical_request(request: dict[str, Any]) -> bytes:
    """Give the RFC 8785 bytes. Raises SerializationError `cache.encode` for what is not JSON."""
    try:
        raw = canonicalize(request) if _is_plain(request) else _ESCAPED
    except (InfraError, RecursionError):
        raw = _ESCAPED  # a long integer, or no JSON after all: the walk tells
    if _ESCAPED not in raw:
        return raw
    try:
        return canonicalize(_tagged(request))
    except (InfraError, RecursionError) as error:
        message = "the request has no canonical JSON: NaN, infinity, a surrogate, or too deep"
        raise unencodable(message) from error


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_SAFE else {f"{_TAG}int": str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {f"{_TAG}sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if not isinstance(value, Mapping):
        message = f"a request to a model is JSON and bytes, and holds no {type(value).__name__}"
        raise unencodable(message)
    for name in value:
        if not isinstance(name, str):
            message = f"a request has a name that is no text but {type(name).__name__}"
            raise unencodable(message)
    items = {name: _tagged(item) for name, item in value.items()}
    if any(name.startswith(_TAG) for name in items):  # must not read as one of ours
        return {f"{_TAG}object": [[name, items[name]] for name in sorted(items)]}
    return items
