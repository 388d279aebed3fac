"""How the standard library's exceptions become InfraErrors when nothing better is registered."""

from __future__ import annotations

import errno

from infra_errors._chain import describe, text_of
from infra_errors.errors import InfraError, error_class
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["convert_builtin"]

# exception, by module and name: (reason, status, retryable or None for what the status says), first
# match in the MRO
_OS_ERRORS: dict[str, tuple[str, Status, bool | None]] = {
    "builtins:FileNotFoundError": ("not_found", Status.NOT_FOUND, None),
    "builtins:FileExistsError": ("exists", Status.ALREADY_EXISTS, None),
    "builtins:PermissionError": ("permission_denied", Status.PERMISSION_DENIED, None),
    "builtins:IsADirectoryError": ("wrong_kind", Status.FAILED_PRECONDITION, None),
    "builtins:NotADirectoryError": ("wrong_kind", Status.FAILED_PRECONDITION, None),
    "builtins:TimeoutError": ("timeout", Status.DEADLINE_EXCEEDED, None),
    "builtins:ConnectionError": ("connection", Status.UNAVAILABLE, None),
    "builtins:EOFError": ("connection", Status.UNAVAILABLE, None),
    "socket:gaierror": ("name_resolution", Status.UNAVAILABLE, False),
    "ssl:SSLError": ("tls", Status.UNAVAILABLE, False),
    "_ssl:SSLError": ("tls", Status.UNAVAILABLE, False),  # its name in Pyodide
    "builtins:InterruptedError": ("busy", Status.UNAVAILABLE, None),
    "builtins:BlockingIOError": ("busy", Status.UNAVAILABLE, None),
}
_BY_ERRNO: dict[int, tuple[str, Status, bool | None]] = {
    errno.EINTR: ("busy", Status.UNAVAILABLE, None),
    errno.EAGAIN: ("busy", Status.UNAVAILABLE, None),
    errno.EMFILE: ("too_many_files", Status.RESOURCE_EXHAUSTED, None),
    errno.ENFILE: ("too_many_files", Status.RESOURCE_EXHAUSTED, None),
    errno.ENOSPC: ("no_space", Status.RESOURCE_EXHAUSTED, False),
    getattr(errno, "EDQUOT", errno.ENOSPC): ("no_space", Status.RESOURCE_EXHAUSTED, False),
}


def convert_builtin(exc: Exception) -> InfraError:
    """The built-in result for a foreign exception; `general.internal` for an unknown kind."""
    for kind in type(exc).__mro__:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if name in _OS_ERRORS:
            return _io(exc, *_os_reason(exc, name))
        if name in _OTHERS:
            return _OTHERS[name](exc)
    return InfraError(describe(exc), code="general.internal", status=Status.INTERNAL)


def _os_reason(exc: Exception, name: str) -> tuple[str, Status, bool | None]:
    if name == "socket:gaierror":
        import socket

        if exc.args and exc.args[0] == socket.EAI_AGAIN:
            return _OS_ERRORS["builtins:ConnectionError"]
    return _OS_ERRORS[name]


def _io(exc: Exception, reason: str, status: Status, retryable: bool | None) -> InfraError:
    facts = {}
    path = getattr(exc, "filename", None)
    if path is not None:
        facts["path"] = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
    number = getattr(exc, "errno", None)
    if number is not None:
        facts["errno"] = number
    text = getattr(exc, "strerror", None) or text_of(exc) or type(exc).__name__
    cls = error_class(Category.IO, status)
    return cls(str(text), code=f"io.{reason}", status=status, retryable=retryable, context=facts)


def _os_error(exc: Exception) -> InfraError:
    number = getattr(exc, "errno", None)
    return _io(exc, *_BY_ERRNO.get(number, ("error", Status.INTERNAL, None)))  # type: ignore[arg-type]  # None is no key


def _json(exc: Exception) -> InfraError:
    line, column = getattr(exc, "lineno", None), getattr(exc, "colno", None)
    text = getattr(exc, "msg", "not JSON")
    cls = error_class(Category.SERIALIZATION, Status.INVALID_ARGUMENT)
    return cls(f"invalid JSON: {text}", code="serialization.invalid_json", line=line, column=column)


def _unicode(exc: Exception) -> InfraError:
    # never str(exc): it shows the bytes that would not decode
    encoding, reason = getattr(exc, "encoding", "text"), getattr(exc, "reason", "undecodable")
    cls = error_class(Category.SERIALIZATION, Status.INVALID_ARGUMENT)
    return cls(
        f"cannot convert {encoding}: {reason}",
        code="serialization.undecodable",
        position=getattr(exc, "start", None),
    )


def _unimplemented(exc: Exception) -> InfraError:
    return InfraError(describe(exc), code="general.unimplemented", status=Status.UNIMPLEMENTED)


def _memory(exc: Exception) -> InfraError:
    cls = error_class(Category.GENERAL, Status.RESOURCE_EXHAUSTED)
    return cls(describe(exc), code="general.out_of_memory", retryable=False)


def _group(exc: Exception) -> InfraError:
    from infra_errors.group import ErrorGroup

    assert isinstance(exc, ExceptionGroup)
    return ErrorGroup(exc.message, exc.exceptions)


_OTHERS: dict[str, Callable[[Exception], InfraError]] = {
    "builtins:OSError": _os_error,
    "json.decoder:JSONDecodeError": _json,
    "builtins:UnicodeError": _unicode,
    "builtins:NotImplementedError": _unimplemented,
    "builtins:MemoryError": _memory,
    "builtins:ExceptionGroup": _group,
}
