"""Values as JSON has them, and as a variable would give them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from infra_errors import redact_text

__all__ = ["Unsaid", "plain", "text_of"]


class Unsaid(Exception):
    """A value has no plain form: an object, a number that JSON does not have."""


def plain(value: object) -> Any:
    """Return a default as JSON would hold it; raises Unsaid where it cannot."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, timedelta):
        return plain(value.total_seconds())
    if isinstance(value, float | Decimal):
        return _number(float(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if type(value).__module__ in {"pathlib", "pathlib._local", "uuid", "ipaddress"}:
        return str(value)
    raise Unsaid


def text_of(value: object) -> str:
    """Return a default as a variable would give it; "" for None and what has no plain form."""
    try:
        said = plain(value)
    except Unsaid:
        return ""
    if said is None:
        return ""
    if isinstance(said, str):
        return said
    if isinstance(said, list) and all(isinstance(item, str) and _bare(item) for item in said):
        return ",".join(said)
    return json.dumps(said, ensure_ascii=False) if said != {} else ""


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise Unsaid
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _bare(item: str) -> bool:
    return bool(item) and item == item.strip() and "," not in item and not item.startswith("[")
