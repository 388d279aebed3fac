"""The wire form v1 of an error: JSON values only, in a fixed order, and back without loss.

`schema/error.schema.json` describes it. What is absent is empty.
"""

from __future__ import annotations

from infra_errors._chain import cause_of, name_of, text_of
from infra_errors._json import to_json
from infra_errors._leaves import MalformedWireError
from infra_errors._pickle import blank, restore
from infra_errors._plain import tidy
from infra_errors._registry import class_of, is_code, is_http_status
from infra_errors._violation import Violation, violations_of
from infra_errors.errors import InfraError, OpaqueError, error_class
from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import Enum
    from typing import Any, NoReturn, TypeAlias, TypeVar

    E = TypeVar("E", bound=Enum)

    JsonValue: TypeAlias = (
        "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
    )

__all__ = ["from_dict", "to_dict"]

DEPTH, MEMBERS, NODES = 8, 64, 1024
_MESSAGE_LIMIT = 4096


def to_dict(error: InfraError) -> dict[str, JsonValue]:
    """The wire form of an error: see `InfraError.to_dict`."""
    return _error(error, 0, [NODES])


def from_dict(obj: Mapping[str, object], /) -> InfraError:
    """The error of a wire form: see `InfraError.from_dict`."""
    error = _read(obj, 0, [NODES + 1])
    if not isinstance(error, InfraError):
        _malformed("code")
    return error


def _error(error: InfraError, depth: int, left: list[int]) -> dict[str, JsonValue]:
    wire: dict[str, JsonValue] = {
        "v": 1,
        "code": error.code,
        "category": error.category._value_,
        "status": error.status._value_,
        "http_status": error.http_status,
        "message": to_json(error.message),
        "retryable": error.retryable,
    }
    if error.retry_after is not None:
        wire["retry_after"] = error.retry_after
    if context := _context(error):
        wire["context"] = to_json(context)
    if error.violations:
        wire["violations"] = [_violation(violation) for violation in error.violations]
    if "__notes__" in error.__dict__ and error.notes:
        wire["notes"] = to_json(error.notes)
    if error.attempts is not None:
        wire["attempts"] = error.attempts
    cause = cause_of(error)
    if cause is not None:
        wire["cause"] = _linked(cause, depth + 1, left)
    if isinstance(error, BaseExceptionGroup):
        wire["errors"] = [_linked(member, depth + 1, left) for member in error.exceptions[:MEMBERS]]
    return wire


def _context(error: InfraError) -> Mapping[str, object]:
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) > MEMBERS:
        return {**error.context, "errors_total": len(error.exceptions)}
    return error.context


def _linked(exc: BaseException, depth: int, left: list[int]) -> dict[str, JsonValue]:
    left[0] -= 1
    if depth > DEPTH or left[0] < 0:
        return {"type": "…", "message": "chain cut"}
    if isinstance(exc, InfraError):
        return _error(exc, depth, left)
    if isinstance(exc, OpaqueError):
        return {"type": exc.type_name, "message": to_json(tidy(exc.message, _MESSAGE_LIMIT))}
    text = tidy(text_of(exc), _MESSAGE_LIMIT)
    return {"type": name_of(type(exc)), "message": to_json(text)}


def _violation(violation: Violation) -> JsonValue:
    path, message, code, source, hint = violation
    wire: dict[str, JsonValue] = {"path": path, "message": message, "code": code}
    if source is not None:
        wire["source"] = source
    if hint is not None:
        wire["hint"] = hint
    return {name: to_json(value) for name, value in wire.items()}


# -- reading

_REQUIRED: dict[str, type] = {"code": str, "category": str, "status": str, "message": str}
_OPTIONAL: dict[str, type] = {
    "http_status": int,
    "retryable": bool,
    "context": dict,
    "violations": list,
    "notes": list,
    "attempts": int,
}


def _read(obj: object, depth: int, left: list[int]) -> BaseException:
    left[0] -= 1
    if depth > DEPTH or left[0] < 0:
        return OpaqueError("…", "chain cut")
    if not isinstance(obj, dict):
        obj = _object(obj)
    if depth and "code" not in obj:
        return _read_foreign(obj)
    _check(obj)
    # the cause first, as in writing, so that both cut a bush at the same leaf
    cause = _read(obj["cause"], depth + 1, left) if obj.get("cause") is not None else None
    members = [_read(member, depth + 1, left) for member in _list(obj, "errors", MEMBERS)]
    error = _bare(obj, members)
    for note in _list(obj, "notes"):
        error.add_note(str(note))
    if cause is not None:
        error.__cause__ = cause
    return error


def _bare(obj: dict[str, object], members: list[BaseException]) -> InfraError:
    category, status, code = (
        _member(Category, obj, "category"),
        _member(Status, obj, "status"),
        str(obj["code"]),
    )
    if members:
        from infra_errors.group import ErrorGroup

        cls: type[InfraError] = ErrorGroup
    else:
        cls = _class(code, category, status)
    message = tidy(str(obj["message"]), _MESSAGE_LIMIT)
    error: InfraError = blank(cls, (message, members) if members else (message,))
    violations, total = violations_of([_read_violation(item) for item in _list(obj, "violations")])
    context = dict(obj.get("context") or {})  # type: ignore[call-overload]  # a dict, checked
    if total > len(violations):
        context.setdefault("violations_total", total)
    restore(
        error,
        context=context,
        category=category,
        status=status,
        code=code,
        http_status=obj.get("http_status", status.http_status),
        retryable=obj.get("retryable", status.retryable),
        retry_after=obj.get("retry_after"),
        violations=violations,
        attempts=obj.get("attempts"),
    )
    return error


def _class(code: str, category: Category, status: Status) -> type[InfraError]:
    owner = class_of(code)
    if owner is None or owner.category is not category or issubclass(owner, BaseExceptionGroup):
        return error_class(category, status)
    return owner


def _check(obj: dict[str, object]) -> None:
    if obj.get("v") != 1 or type(obj["v"]) is not int:
        _malformed("v")
    for name, kind in _REQUIRED.items():
        if type(obj.get(name)) is not kind:
            _malformed(name)
    for name, kind in _OPTIONAL.items():
        if name in obj and type(obj[name]) is not kind:
            _malformed(name)
    if not is_code(obj["code"]):
        _malformed("code")
    if "http_status" in obj and not is_http_status(obj["http_status"]):
        _malformed("http_status")
    if obj.get("attempts", 1) < 1:  # type: ignore[operator]  # an int, checked
        _malformed("attempts")
    wait = obj.get("retry_after", 0)
    if type(wait) not in {int, float} or not 0 <= wait < float("inf"):  # type: ignore[operator]  # a number, by its type
        _malformed("retry_after")
    if not all(type(note) is str for note in _list(obj, "notes")):
        _malformed("notes")


def _read_foreign(obj: dict[str, object]) -> OpaqueError:
    name, message = obj.get("type"), obj.get("message")
    if type(name) is not str or type(message) is not str:
        _malformed("cause")
    return OpaqueError(tidy(name, 256), tidy(message, _MESSAGE_LIMIT))


def _read_violation(item: object) -> Violation:
    if not isinstance(item, dict):
        _malformed("violations")
    parts: list[Any] = [item.get(name) for name in ("path", "message", "code", "source", "hint")]
    if not all(type(part) is str for part in parts[:3]) or not all(
        part is None or type(part) is str for part in parts[3:]
    ):
        _malformed("violations")
    return Violation(*parts)


def _member(kind: type[E], obj: dict[str, object], name: str) -> E:
    try:
        return kind(obj[name])
    except ValueError:
        _malformed(name)


def _list(obj: dict[str, object], name: str, limit: int | None = None) -> list[object]:
    found = obj.get(name, [])
    if type(found) is not list or (limit is not None and len(found) > limit):
        _malformed(name)
    return found


def _object(obj: object) -> dict[str, object]:
    try:
        return {str(key): value for key, value in obj.items()}  # type: ignore[attr-defined]  # refused below
    except AttributeError:
        _malformed("the whole")


def _malformed(member: str) -> NoReturn:
    message = f"this is no error in wire form v1: {member} is missing or wrong"
    raise MalformedWireError(message, member=member)
