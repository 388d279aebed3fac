"""orjson, where it is installed and its result cannot differ in meaning from the standard one."""

from __future__ import annotations

import marshal
import re
from typing import Any

try:
    import orjson
except ImportError:  # the extra [fast] is not installed, or has no wheel for this platform
    orjson = None  # type: ignore[assignment]  # asked for before each use

__all__ = ["encoded"]

_DEEPEST = 254  # beyond this many levels it gives up, below it depth is not checked
# A float in marshal's bytes whose exponent has all bits set: NaN or an infinity. Chance may look
# like one, which costs time only.
_NOT_FINITE = re.compile(rb"g.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)


def encoded(
    obj: Any, *, max_depth: int, sort_keys: bool = False, is_safe: bool = False
) -> bytes | None:
    """
    Return an object as strict JSON; None where the standard path has to decide.

    That is everything but JSON's own types, UUID and Enum: orjson is told to pass on the rest, and
    by itself refuses names that are not str, lone surrogates, cycles, and integers beyond 64 bits
    (with `is_safe`, beyond 53).
    """
    if orjson is None or max_depth < _DEEPEST:
        return None
    option = (
        orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )
    if sort_keys:
        option |= orjson.OPT_SORT_KEYS
    if is_safe:
        option |= orjson.OPT_STRICT_INTEGER
    try:
        raw = orjson.dumps(obj, option=option)
    except TypeError:
        return None
    # It writes NaN and infinities as null, which they are not.
    return None if b"null" in raw and _may_hold_nan(obj) else raw


def _may_hold_nan(obj: Any) -> bool:
    try:
        return _NOT_FINITE.search(marshal.dumps(obj, 2)) is not None
    except ValueError:
        return True
