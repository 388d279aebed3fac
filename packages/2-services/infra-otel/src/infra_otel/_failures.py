"""What is told of an exception: its type, its redacted message and its redacted stack."""

from __future__ import annotations

import traceback

from infra_errors import InfraError, redact_text

__all__ = ["described", "error_type", "message_of", "stack_of"]


def error_type(exc: BaseException) -> str:
    """Return the code of an InfraError, else the name of the class."""
    return exc.code if isinstance(exc, InfraError) else type(exc).__name__


def message_of(exc: BaseException) -> str:
    """Return the message without secrets; an exception whose text fails is told by its class."""
    try:
        return redact_text(str(exc))
    except Exception:  # noqa: BLE001  # somebody else's __str__
        return f"<{type(exc).__name__} without text>"


def stack_of(exc: BaseException) -> str:
    """Return the traceback without secrets, "" where it cannot be written."""
    try:
        return redact_text("".join(traceback.format_exception(exc)))
    except Exception:  # noqa: BLE001  # somebody else's __str__
        return ""


def described(exc: BaseException) -> tuple[str, dict[str, str]]:
    """Return `error.type`, and the attributes of the `exception` event."""
    kind = type(exc)
    module = kind.__module__
    name = kind.__qualname__ if module in {"", "builtins"} else f"{module}.{kind.__qualname__}"
    return error_type(exc), {
        "exception.type": name,
        "exception.message": message_of(exc),
        "exception.stacktrace": stack_of(exc),
    }
