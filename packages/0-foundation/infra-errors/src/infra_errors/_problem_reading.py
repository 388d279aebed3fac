"""Reading a problem that somebody else wrote: bounds first, then each member on its own."""

from __future__ import annotations

from collections.abc import Mapping

from infra_errors._leaves import MalformedProblemError
from infra_errors._pickle import blank, restore
from infra_errors._registry import is_code
from infra_errors._violation import Violation, violations_of
from infra_errors.errors import InfraError
from infra_errors.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from infra_errors.problem import Problem

__all__ = ["context_of", "members", "pointer", "rebuilt", "violations_in"]

SIZE, DEPTH = 262_144, 32
_KNOWN = frozenset(
    [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "canonical",
        "retryable",
        "retry_after",
        "request_id",
        "errors",
    ]
)


def members(obj: object, http_status: int | None) -> dict[str, Any]:
    """The keywords of the Problem in a body; a member of the wrong type is as good as absent."""
    body = _loaded(obj)
    _bound(body)
    status = body.get("status")
    if not _is_status(status):
        status = http_status if _is_status(http_status) else None
    canonical = body.get("canonical")
    if not isinstance(canonical, str) or canonical not in Status.__members__:
        canonical = None
    if status is None:
        status = Status[canonical].http_status if canonical else 500
    errors = body.get("errors")
    code = body.get("code")
    return {
        "status": status,
        "type": _text(body, "type") or "about:blank",
        "title": _text(body, "title"),
        "detail": _text(body, "detail"),
        "instance": _text(body, "instance"),
        "code": code if is_code(code) else None,
        "canonical": canonical,
        "retryable": body["retryable"] if isinstance(body.get("retryable"), bool) else None,
        "retry_after": _wait(body.get("retry_after")),
        "request_id": _text(body, "request_id"),
        "errors": [e for e in errors if isinstance(e, Mapping)] if isinstance(errors, list) else (),
        "extensions": {key: value for key, value in body.items() if key not in _KNOWN},
    }


def violations_in(problem: Problem) -> list[Violation]:
    """The members of `errors` that say something, as violations."""
    found = []
    for error in problem.errors:
        detail, where, code = error.get("detail"), error.get("pointer"), error.get("code")
        if isinstance(detail, str):
            path = _path(where) if isinstance(where, str) else ""
            found.append(Violation(path, detail, code if isinstance(code, str) else "invalid"))
    return found


def context_of(problem: Problem) -> dict[str, Any]:
    """What an error keeps of a problem besides its own facts."""
    exposed = problem.extensions.get("context")
    context: dict[str, Any] = dict(exposed) if isinstance(exposed, Mapping) else {}
    if problem.type != "about:blank":
        context.setdefault("problem_type", problem.type)
    for name in ("instance", "request_id"):
        value = getattr(problem, name)
        if value is not None:
            context.setdefault(name, value)
    return context


def rebuilt(
    problem: Problem, cls: type[InfraError], message: str, status: Status, context: dict[str, Any]
) -> InfraError:
    """An error of a class that this process knows, made without running its constructor."""
    error: InfraError = blank(cls, (InfraError._text_of(message),))
    violations, total = violations_of(violations_in(problem))
    if total > len(violations):
        context.setdefault("violations_total", total)
    answers = problem.status if 400 <= problem.status < 600 else status.http_status
    restore(
        error,
        context=context,
        status=status,
        http_status=answers,
        retryable=status.retryable if problem.retryable is None else problem.retryable,
        retry_after=problem.retry_after,
        violations=violations,
    )
    return error


def pointer(path: str) -> str:
    """A JSON pointer as a URI fragment (RFC 6901 §6)."""
    if path.isascii() and path.replace("/", "").replace("_", "").replace("-", "").isalnum():
        return f"#{path}"
    from urllib.parse import quote

    return "#" + quote(path, safe="/~!$&'()*+,;=:@?-._", errors="replace")


def _path(fragment: str) -> str:
    path = fragment.removeprefix("#")
    if "%" not in path:
        return path
    from urllib.parse import unquote

    return unquote(path)


def _loaded(obj: object) -> dict[str, Any]:
    if isinstance(obj, str | bytes | bytearray):
        if len(obj) > SIZE:
            _malformed(f"it is over {SIZE} bytes")
        obj = _parsed(obj)
    if not isinstance(obj, Mapping):
        _malformed("it is no JSON object")
    return {key: value for key, value in obj.items() if isinstance(key, str)}


def _parsed(text: str | bytes | bytearray) -> object:
    import json

    try:
        if not isinstance(text, str):
            text = text.decode(json.detect_encoding(text))
        if _nested(text) > DEPTH:
            _malformed(f"it is deeper than {DEPTH} levels")
        return json.loads(text, parse_constant=_no_constant)
    except ValueError as exc:
        # without the cause, whose text may be the body of a stranger
        _malformed(f"it is no JSON ({type(exc).__name__})")


def _nested(text: str) -> int:
    """Return how deep brackets nest, before a parser recurses: in WebAssembly it would die."""
    import re

    depth = deepest = 0
    for found in re.finditer(r'"(?:[^"\\]+|\\.)*+(?:"|\Z)|([\[{])|([\]}])', text, re.DOTALL):
        depth += 1 if found[1] else -1 if found[2] else 0
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _bound(body: object) -> None:
    """Refuse what is too deep or too large; by a loop, because recursion is the danger."""
    level, size = [body], 0
    for _ in range(DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, Mapping):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list | tuple):
                below.extend(value)
            else:
                size += len(value) if isinstance(value, str | bytes) else 1
            if size + len(below) > SIZE:
                _malformed(f"it is over {SIZE} bytes")
        level = below
        if not level:
            return
    _malformed(f"it is deeper than {DEPTH} levels")


def _is_status(value: object) -> bool:
    return type(value) is int and 100 <= value <= 599


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _wait(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e18:
        return None
    return value


def _malformed(reason: str) -> NoReturn:
    message = f"this is no problem detail: {reason}"
    raise MalformedProblemError(message)
