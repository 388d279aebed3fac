"""What a client is told when a request fails."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from infra_errors import InfraError, Problem, Status
from infra_json import dump_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

__all__ = ["Headers", "judged", "problem_answer", "report"]

Headers = list[tuple[bytes, bytes]]

log = logging.getLogger("infra_http.server")

# what `from_exception` makes of the standard library's exceptions: a handler's own KeyError or
# PermissionError is a fault of the handler, and its text is not for the client
_UNREGISTERED = {"io", "general", "serialization", "errors"}


def judged(exc: BaseException) -> InfraError:
    """Return the error that the client is told of.

    An InfraError is itself, Starlette's HTTPException its status, an exception that was registered
    with `infra_errors.register` what it was registered as; everything else is a 500.
    """
    if isinstance(exc, InfraError):
        return exc
    if isinstance(exc, HTTPException):
        return _from_starlette(exc)
    if isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        return judged(exc.exceptions[0])  # what a TaskGroup of the handler raised
    if isinstance(exc, Exception):
        error = InfraError.from_exception(exc)
        if error.code.partition(".")[0] not in _UNREGISTERED:
            return error
    return InfraError(type(exc).__name__, code="general.internal", status=Status.INTERNAL)


def _from_starlette(exc: HTTPException) -> InfraError:
    status = Status.from_http(exc.status_code)
    return InfraError(
        str(exc.detail), code="http.exception", status=status, http_status=exc.status_code
    )


def problem_answer(
    exc: BaseException, scope: Scope, *, challenge: str = "Bearer"
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of the problem document (RFC 9457) for an exception."""
    problem = Problem.from_error(judged(exc), request_id=scope.get("infra.request_id"))
    body = dump_bytes(problem.to_dict())
    headers: Headers = [
        (name.lower().encode("ascii"), value.encode("latin-1"))
        for name, value in problem.headers().items()
    ]
    headers.append((b"content-length", b"%d" % len(body)))
    given: Mapping[str, str] = getattr(exc, "headers", None) or {}
    if isinstance(exc, HTTPException):
        headers += [(k.lower().encode("ascii"), v.encode("latin-1")) for k, v in given.items()]
    elif problem.status == 405 and "infra.allow" in scope:
        headers.append((b"allow", scope["infra.allow"]))
    if problem.status == 401 and b"www-authenticate" not in {name for name, _ in headers}:
        headers.append((b"www-authenticate", _challenge(challenge)))
    return problem.status, headers, body


@lru_cache(maxsize=16)
def _challenge(text: str) -> bytes:
    return text.encode("latin-1")


def report(exc: BaseException, scope: Scope, what: str) -> None:
    """Log a failure of ours, with the route and the request's id.

    What was refused for lack of room or time is a warning without a traceback: under load there
    would be thousands, all the same.
    """
    route = scope.get("infra.route")
    path = "-" if route is None else route.path
    extra = {"request_id": scope.get("infra.request_id"), "route": path}
    method = scope.get("method", "WEBSOCKET")
    if isinstance(exc, InfraError) and exc.http_status in {503, 504}:
        log.warning("%s %s: %s: %s", method, path, what, exc, extra=extra)
    else:
        log.error("%s %s: %s", method, path, what, exc_info=exc, extra=extra)
