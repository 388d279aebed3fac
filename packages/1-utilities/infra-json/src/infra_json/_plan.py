"""How each type is read: a plan, compiled once a type."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypeAlias, Union, get_args, get_origin

from infra_json import _fields
from infra_json._scalars import READERS, enum_reader, kind_of, literal_reader, reader_of
from infra_json.errors import TypeNotSupported

__all__ = ["BAD", "Plan", "plan_of"]

BAD: Any = object()  # the place of a value that was refused

Parts: TypeAlias = tuple[Iterable[tuple[Any, "Plan", Any]], Iterable[str]]


class Plan:
    """
    Either `read`, for a scalar: the result, or a ValueError that says why not.

    Or `parts` and `build`, for a container: its key, plan and value each, with the names that are
    not known, or a text why not; and the result of what the parts became. `kinds` are the kinds of
    JSON value that it takes; `choose` picks another plan by the value, for a union.
    """

    __slots__ = ("build", "choose", "kinds", "parts", "read", "tags")

    def __init__(self) -> None:
        self.kinds: frozenset[str] = frozenset()
        self.tags: dict[str, frozenset[Any]] = {}
        self.read: Callable[[Any], Any] | None = None
        self.choose: Callable[[Any], Plan] | None = None
        self.parts: Callable[[Any], Parts | str] = _no_parts
        self.build: Callable[[dict[Any, Any]], Any] = _no_parts

    def chosen(self, value: Any) -> Plan:
        plan = self
        while plan.choose is not None:
            plan = plan.choose(value)
        return plan


def _no_parts(value: Any) -> Any:
    raise AssertionError(value)


_plans: dict[Any, Plan] = {}


def plan_of(hint: Any) -> Plan:
    """Return the plan of a type; TypeNotSupported for what cannot be read without guessing."""
    try:
        found = _plans.get(hint)
    except TypeError:  # an Annotated with something that has no hash
        return _Compiler().plan(hint)
    if found is None:
        try:
            found = _Compiler().plan(hint)
        except RecursionError as error:
            msg = f"{hint!r} contains itself with ever longer type arguments"
            raise TypeNotSupported(msg) from error
        if len(_plans) >= 1024:  # types made at run time must not add up
            _plans.clear()
        _plans[hint] = found
    return found


class _Compiler:
    """One compilation; a type that contains itself meets its own plan, not filled in yet."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, Plan]] = []

    def plan(self, hint: Any) -> Plan:
        hint = _stripped(hint)
        for known, plan in self.begun:
            if known is hint or (get_origin(hint) is not None and known == hint):
                return plan
        plan = Plan()
        self.begun.append((hint, plan))
        self.fill(plan, hint)
        return plan

    def fill(self, plan: Plan, hint: Any) -> None:
        origin, arguments = get_origin(hint), get_args(hint)
        if _fields.is_any(hint):
            self.scalar(plan, _same, "null boolean integer number string array object")
        elif origin in {Union, types.UnionType}:
            self.union(plan, [self.plan(argument) for argument in arguments], hint)
        elif origin is Literal:
            self.scalar(plan, *literal_reader(arguments))
        elif hint in READERS:
            self.scalar(plan, *READERS[hint])
        elif isinstance(hint, type) and issubclass(hint, Enum):
            self.scalar(plan, *enum_reader(hint))
        elif (container := _ARRAYS.get(origin or hint)) is not None:
            self.array(plan, container, arguments or (Any,))
        elif (origin or hint) is tuple:
            self.tuple(plan, arguments or (Any, ...), tuple)
        elif (origin or hint) in {dict, Mapping, MutableMapping}:
            self.mapping(plan, arguments or (str, Any), hint)
        elif isinstance(cls := origin or hint, type) and self.members(plan, cls, arguments):
            pass
        elif (reader := reader_of(hint)) is not None:
            self.scalar(plan, *reader)
        else:
            msg = f"{hint!r} cannot be read from JSON"
            raise TypeNotSupported(msg)

    def members(self, plan: Plan, cls: type, arguments: tuple[Any, ...]) -> bool:
        """Fill in the plan of a class with members, if it is one; it may be generic."""
        variables = _fields.type_arguments(cls, arguments)
        if (fields := _fields.fields_of(cls)) is not None:
            self.object(
                plan,
                cls,
                {
                    name: field._replace(hint=_fields.substituted(field.hint, variables))
                    for name, field in fields.items()
                },
            )
            return True
        if not issubclass(cls, tuple) or not hasattr(cls, "_fields"):
            return False
        hints = _fields.hints_of(cls)
        inner = (_fields.substituted(hints.get(name, Any), variables) for name in cls._fields)
        self.tuple(plan, tuple(inner), lambda items: cls(*items))
        return True

    def scalar(self, plan: Plan, read: Callable[[Any], Any], kinds: str) -> None:
        plan.read, plan.kinds = read, frozenset(kinds.split())

    def array(self, plan: Plan, container: Callable[[Any], Any], arguments: Any) -> None:
        plan.kinds = frozenset({"array"})
        inner = self.plan(arguments[0])

        def parts(value: Any) -> Parts | str:
            if not isinstance(value, list):
                return f"must be an array, not {kind_of(value)}"
            return [(index, inner, item) for index, item in enumerate(value)], ()

        def build(done: dict[Any, Any]) -> Any:
            found = container(done.values())
            if len(found) != len(done):
                msg = "an element stands twice in a set"
                raise ValueError(msg)
            return found

        plan.parts, plan.build = parts, build

    def tuple(self, plan: Plan, arguments: Any, container: Callable[[Any], Any]) -> None:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            self.array(plan, tuple, arguments)
            return
        inner = [self.plan(argument) for argument in arguments if argument != ()]
        plan.kinds = frozenset({"array"})

        def parts(value: Any) -> Parts | str:
            if not isinstance(value, list) or len(value) != len(inner):
                return f"must be an array of {len(inner)} elements"
            return zip(range(len(inner)), inner, value, strict=True), ()

        plan.parts, plan.build = parts, lambda done: container(done.values())

    def mapping(self, plan: Plan, arguments: Any, hint: Any) -> None:
        names, values = _stripped(arguments[0]), self.plan(arguments[1])
        if names is not str:
            msg = f"the names of {hint!r} are not str"
            raise TypeNotSupported(msg)
        plan.kinds = frozenset({"object"})

        def parts(value: Any) -> Parts | str:
            if not isinstance(value, dict):
                return f"must be an object, not {kind_of(value)}"
            return [(name, values, item) for name, item in value.items()], ()

        plan.parts, plan.build = parts, dict

    def object(self, plan: Plan, cls: Any, fields: dict[str, _fields.Field]) -> None:
        plan.kinds = frozenset({"object"})
        plan.tags = {
            name: frozenset(get_args(_stripped(field.hint)))
            for name, field in fields.items()
            if get_origin(_stripped(field.hint)) is Literal
        }
        inner = {name: self.plan(field.hint) for name, field in fields.items()}
        required = [name for name, field in fields.items() if field.is_required]
        missing = Plan()
        self.scalar(missing, _missing, "")

        def parts(value: Any) -> Parts | str:
            if not isinstance(value, dict):
                return f"must be an object, not {kind_of(value)}"
            known = [(name, inner[name], item) for name, item in value.items() if name in inner]
            lacking = [(name, missing, None) for name in required if name not in value]
            return known + lacking, [name for name in value if name not in inner]

        def build(done: dict[Any, Any]) -> Any:
            given = {
                argument: item
                for name, item in done.items()
                if (argument := fields[name].argument) is not None
            }
            return cls(**given)

        plan.parts, plan.build = parts, build

    def union(self, plan: Plan, options: list[Plan], hint: Any) -> None:
        """Choose by the kind of JSON value, then by a Literal member that all objects have."""
        by_kind: dict[str, list[Plan]] = {}
        for option in options:
            for kind in option.kinds:
                by_kind.setdefault(kind, []).append(option)
        if "integer" in by_kind and len(by_kind["integer"]) == 2:
            # an integer is a float too, unless an int is asked for as well
            by_kind["integer"] = [it for it in by_kind["integer"] if "number" not in it.kinds]
        choices: dict[str, Callable[[Any], Plan]] = {}
        for kind, found in by_kind.items():
            choices[kind] = _tagged(found, hint) if len(found) > 1 else _always(found[0])
        plan.kinds = frozenset(by_kind)
        names = ", ".join(sorted(by_kind))
        nothing = Plan()
        self.scalar(nothing, _never(f"must be one of: {names}"), "")
        plan.choose = lambda value: choices.get(kind_of(value), lambda _: nothing)(value)


def _always(plan: Plan) -> Callable[[Any], Plan]:
    return lambda value: plan


def _tagged(options: list[Plan], hint: Any) -> Callable[[Any], Plan]:
    for name in options[0].tags:
        values = [option.tags.get(name, frozenset()) for option in options]
        if all(values) and len(frozenset().union(*values)) == sum(map(len, values)):
            return _by_tag(name, {tag: plan for plan in options for tag in plan.tags[name]})
    msg = f"members of {hint!r} look alike in JSON: give each a Literal member that differs"
    raise TypeNotSupported(msg)


def _by_tag(name: str, plans: dict[Any, Plan]) -> Callable[[Any], Plan]:
    nothing = Plan()
    nothing.read = _never(f"member {name!r} must be one of: {', '.join(sorted(map(str, plans)))}")

    def choose(value: Any) -> Plan:
        tag = value.get(name)
        return nothing if isinstance(tag, (dict, list)) else plans.get(tag, nothing)

    return choose


def _never(why: str) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        raise ValueError(why)

    return refuse


_missing = _never("is required")


def _same(value: Any) -> Any:
    return value


def _stripped(hint: Any) -> Any:
    """Take off what says nothing about the form: Annotated, NewType, Required, aliases."""
    while True:
        origin = get_origin(hint)
        if origin is Annotated or origin in _WRAPPERS:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif type(origin or hint).__name__ == "TypeAliasType":
            alias = origin or hint
            arguments = dict(zip(alias.__type_params__, get_args(hint), strict=False))
            hint = _fields.substituted(alias.__value__, arguments)
        else:
            return type(None) if hint is None else hint


_WRAPPERS = {typing.Required, typing.NotRequired, typing.Final, typing.ClassVar}
_ARRAYS: dict[Any, Callable[[Any], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    Sequence: list,
    Iterable: list,
    AbstractSet: frozenset,
}
