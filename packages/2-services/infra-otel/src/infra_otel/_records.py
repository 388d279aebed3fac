"""What a log record holds, read so that nothing in it can raise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["extras_of", "message_of", "shown", "writable"]

_STANDARD = frozenset(
    [
        *logging.LogRecord("", 0, "", 0, "", (), None).__dict__,
        *("message", "asctime", "taskName", "color_message"),  # the last is uvicorn's
    ]
)
_DEPTH = 8


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what `extra=` has added."""
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def message_of(record: logging.LogRecord) -> str:
    """Return the message; one whose arguments do not fit it is told with them beside it."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # somebody else's __str__, or a wrong %s
        args = record.args if isinstance(record.args, tuple) else (record.args,)
        return f"{shown_text(record.msg)} ({', '.join(map(shown, args))})"


def writable(value: Any, encode: Callable[[Any], str], depth: int = _DEPTH) -> Any:
    """Return a value that `encode` takes: itself, or its repr where it does not."""
    try:
        encode(value)
    except (ValueError, TypeError, RecursionError):
        pass
    except Exception:  # noqa: BLE001  # somebody else's __repr__
        return shown(value)
    else:
        return value
    if depth and isinstance(value, dict):
        return {str(key): writable(item, encode, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [writable(item, encode, depth - 1) for item in value]
    return shown(value)


def shown_text(value: Any) -> str:
    """Return the text of a message that may be any object."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # somebody else's __str__
        return shown(value)


def shown(value: Any) -> str:
    """Return the repr of a value, or what can be said of one that has none."""
    if isinstance(value, int):
        # repr refuses an integer of more than 4300 digits, hex does not
        return hex(value)
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  # somebody else's __repr__
        return f"<{type(value).__name__} without repr>"
