"""What a class statement settles once: its axes, its code, and who owns which code."""

from __future__ import annotations

from weakref import WeakValueDictionary

from infra_errors.status import Category, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from infra_errors._base import InfraError

__all__ = ["class_of", "enter", "is_code", "is_http_status", "settle"]

_CODE_LIMIT = 63
_AXES = ("category", "status", "http_status", "retryable")

_by_code: WeakValueDictionary[str, type[InfraError]] = WeakValueDictionary()
_code_verdicts: dict[str, bool] = {}


def settle(cls: type[InfraError]) -> None:
    """Resolve the axes of a new class along its MRO, give it its code and enter it in the registry.

    Raises TypeError for a body that states a malformed value or a code that another class owns.
    """
    body = cls.__dict__
    stated = {axis: body[axis] for axis in _AXES if axis in body}
    cls._stated = stated
    cls._origin = (cls.__module__, cls.__qualname__)
    _check(cls, stated)

    lines = [base.__dict__["_stated"] for base in cls.__mro__ if "_stated" in base.__dict__]
    cls.category = category = _first(lines, "category", Category.GENERAL)
    stated_status = _first(lines, "status", None)
    upstream = stated_status is None and category in {Category.HTTP, Category.EXTERNAL}
    cls.status = status = stated_status or category.default_status
    # an upstream that failed us in a way we know nothing about: Bad Gateway
    cls.http_status = _first(lines, "http_status", 502 if upstream else status.http_status)
    cls.retryable = _first(lines, "retryable", status.retryable)
    if "code" in body:
        stated["code"] = body["code"]
    enter(cls)


def enter(cls: type[InfraError]) -> None:
    """Give the code that the class states, or else derives from its name, to this class."""
    if "code" not in cls._stated:
        cls.code = _derive(cls)
        _by_code.setdefault(cls.code, cls)
        return
    code = cls.code
    if not is_code(code):
        shape = f"'area.reason' in at most {_CODE_LIMIT} characters"
        message = f"{cls.__qualname__}.code must look like {shape}, not {code!r}"
        raise TypeError(message)
    owner = _by_code.get(code)
    # a body that ran twice (a reload) replaces itself; a derived code gives way to a stated one
    if owner is not None and "code" in owner._stated and owner._origin != cls._origin:
        other = ".".join(owner._origin)
        message = f"the code {code!r} of {cls.__qualname__} belongs to {other}: choose another"
        raise TypeError(message)
    _by_code[code] = cls


def class_of(code: str) -> type[InfraError] | None:
    """The class that owns this code in this process, if any."""
    found = _by_code.get(code)
    if found is None and code.startswith("errors."):
        # our own leaves live in modules that nobody may have touched yet
        from infra_errors import _leaves, group  # noqa: F401 - importing enters their classes

        found = _by_code.get(code)
    return found


def is_code(text: object) -> bool:
    """Whether this is a code: `[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+` in at most 63 characters."""
    if type(text) is not str or len(text) > _CODE_LIMIT:
        return False
    known = _code_verdicts.get(text)
    if known is None:
        if len(_code_verdicts) >= 4096:
            _code_verdicts.clear()
        segments = text.split(".")
        known = _code_verdicts[text] = len(segments) > 1 and all(map(_is_segment, segments))
    return known


def is_http_status(value: object) -> bool:
    """Whether this is the number of an HTTP error answer."""
    return type(value) is int and 400 <= value <= 599


def _first(lines: list[dict[str, Any]], axis: str, otherwise: Any) -> Any:
    for stated in lines:
        if axis in stated:
            return stated[axis]
    return otherwise


def _check(cls: type[InfraError], stated: dict[str, object]) -> None:
    fits: dict[str, Callable[[object], bool]] = {
        "category": lambda value: isinstance(value, Category),
        "status": lambda value: isinstance(value, Status),
        "http_status": is_http_status,
        "retryable": lambda value: isinstance(value, bool),
    }
    for axis, value in stated.items():
        if not fits[axis](value):
            message = f"{cls.__qualname__}.{axis} cannot be {value!r}"
            raise TypeError(message)


def _derive(cls: type[InfraError]) -> str:
    area = cls.category.value
    if "_generated" in cls.__dict__:
        # error_class: storage.not_found, not storage.storage_not_found
        trait: Any = cls.__bases__[0]
        return f"{area}.{trait.code.partition('.')[2]}"
    name = cls.__name__.strip("_")
    name = name.removesuffix("Error") or name
    reason = ""
    for index, char in enumerate(name):
        before = name[index - 1 : index]
        ends_acronym = before.isupper() and name[index + 1 : index + 2].islower()
        if char.isupper() and before not in {"", "_"} and (not before.isupper() or ends_acronym):
            reason += "_"
        reason += char.lower()
    code = f"{area}.{reason}"[:_CODE_LIMIT]
    return code if is_code(code) else f"{area}.error"


def _is_segment(text: str) -> bool:
    return (
        text[:1].isalpha()
        and text.isascii()
        and text == text.lower()
        and text.replace("_", "").isalnum()
    )
