"""What members an object's type has: attrs classes, data classes, TypedDict."""

from __future__ import annotations

import dataclasses
from typing import (
    Any,
    Generic,
    NamedTuple,
    NotRequired,
    Protocol,
    Required,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from infra_json.errors import TypeNotSupported

__all__ = ["Field", "fields_of", "hints_of", "is_any", "substituted", "type_arguments"]


class Field(NamedTuple):
    """A member: its type, the constructor's argument (None: it takes none), and if it must be."""

    hint: Any
    argument: str | None
    is_required: bool


def is_any(hint: Any) -> bool:
    """Return whether a type takes any JSON value as it is."""
    from infra_json.codec import JsonValue

    return hint is Any or hint is object or hint is JsonValue or hint == JsonValue


def fields_of(cls: type) -> dict[str, Field] | None:
    """Return the members of a type by name in JSON; None where it has none of its own."""
    if is_typeddict(cls):
        listed: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
        # what is written as text, `from __future__ import annotations`, is not listed right
        marks = {Required: True, NotRequired: False}
        return {
            name: Field(hint, name, marks.get(get_origin(hint), name in listed))
            for name, hint in hints_of(cls).items()
        }
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is None and not dataclasses.is_dataclass(cls):
        return None
    hints = hints_of(cls)
    found: dict[str, Field] = {}
    for field in dataclasses.fields(cls) if attributes is None else attributes:
        has_default = _has_default(field)
        argument = getattr(field, "alias", None) or field.name
        if field.name.startswith("_"):
            if field.init and not has_default:
                msg = f"{cls.__name__}.{field.name} is private, so never written, but required"
                raise TypeNotSupported(msg)
            continue
        hint = hints.get(field.name, Any)
        takes = argument if field.init else None
        found[field.name] = Field(hint, takes, field.init and not has_default)
    return found


def _has_default(field: Any) -> bool:
    """Return whether a constructor can do without; attrs says so in its own way."""
    factory = getattr(field, "default_factory", dataclasses.MISSING)
    no_default = type(field.default).__name__ == "_Nothing" or field.default is dataclasses.MISSING
    return not no_default or factory is not dataclasses.MISSING


def type_arguments(cls: Any, given: tuple[Any, ...]) -> dict[Any, Any]:
    """Return what each type variable of a class and of its bases stands for; Any where unsaid."""
    variables = getattr(cls, "__parameters__", ())
    found = dict(zip(variables, given or (Any,) * len(variables), strict=False))
    for base in getattr(cls, "__orig_bases__", ()):
        if (origin := get_origin(base)) not in {None, Generic, Protocol}:
            inner = tuple(substituted(argument, found) for argument in get_args(base))
            found = type_arguments(origin, inner) | found
    return found


def substituted(hint: Any, arguments: dict[Any, Any]) -> Any:
    """Return a type with its type variables replaced."""
    if isinstance(hint, TypeVar):
        return arguments.get(hint, Any)
    variables = getattr(hint, "__parameters__", ())
    if isinstance(hint, type) or not variables or not arguments:
        return hint  # a class named bare has variables of its own
    return hint[tuple(arguments.get(variable, Any) for variable in variables)]


def hints_of(cls: type) -> dict[str, Any]:
    """Return the resolved annotations of a class."""
    try:
        return get_type_hints(cls, include_extras=True)
    except (NameError, TypeError) as error:
        msg = f"the annotations of {cls.__name__} cannot be resolved: {error}"
        raise TypeNotSupported(msg) from error
