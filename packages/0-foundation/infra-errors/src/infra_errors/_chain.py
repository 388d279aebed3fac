"""Reading any exception without being hurt by it: its text, name, notes and cause."""

from __future__ import annotations

from infra_errors._plain import tidy
from infra_errors.redact import redact_text

__all__ = ["cause_of", "describe", "name_of", "notes_of", "text_of"]

_FOREIGN_LIMIT = 500


def cause_of(exc: BaseException) -> BaseException | None:
    """What a traceback shows above this exception: its cause, else the unsuppressed context."""
    if exc.__cause__ is not None or exc.__suppress_context__:
        return exc.__cause__
    return exc.__context__


def notes_of(exc: BaseException) -> tuple[str, ...]:
    """The notes of any exception, secrets masked; what is no text among them is left out."""
    notes = getattr(exc, "__notes__", None)
    if not isinstance(notes, list | tuple):
        return ()
    return tuple([redact_text(note) for note in notes if isinstance(note, str)])


def text_of(value: object) -> str:
    """str() of anything, also of what refuses to be printed; not yet redacted."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a hostile __str__ may raise anything
        return f"<unprintable {name_of(type(value))}>"


def name_of(kind: type) -> str:
    """`ValueError` for a builtin, `package.module.Class` for others."""
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def describe(exc: BaseException) -> str:
    """A foreign exception in one line, `Type: text`, secrets masked."""
    text = text_of(exc)
    name = name_of(type(exc))
    return tidy(f"{name}: {text}" if text else name, _FOREIGN_LIMIT)
