"""A settings class, compiled once into what reads it: its fields, their kinds, their names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin, get_type_hints
from typing import NotRequired as _NotRequired
from typing import Required as _Required

import attrs

from infra_config._job import FAILED, Job, Leaf, Node
from infra_config._kinds import CheckedKind, Kind, OptionalKind, table_of
from infra_config._types import is_typed_dict, kind_of
from infra_config._typos import nearest
from infra_config.errors import BadSetting
from infra_config.paths import Parts, render
from infra_errors import ConfigError, ValidationError, is_sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Field", "Plan", "places", "plan_in", "plan_of"]


@attrs.frozen
class Field:
    """
    One setting of a class.

    Args:
        key: its name in sources and in the class's constructor.
        attribute: its name in an object of the class.
        kind: what makes its values.
        required: whether it has no default.
        default: makes the default; None where only the class's constructor can, and for a name
            that a TypedDict may go without.
        aliases: variables that supply it besides the one named after its path.
        secret: whether its value is a secret, which a file may hold for the environment.
        hidden: whether its value is never shown: a secret, or a name like `password`.
        unit: what a number counts, "" where nothing is said.
        help: its meaning in one line.
    """

    key: str
    attribute: str
    kind: Kind
    required: bool
    default: Callable[[], object] | None
    aliases: tuple[str, ...]
    secret: bool
    hidden: bool
    unit: str
    help: str


class Plan(Kind):
    """How objects of one settings class are made; the `Shape` that sources see."""

    table = True
    expects = "a table"

    def __init__(self, cls: type, fields: Mapping[str, Field]) -> None:
        self.cls = cls
        self.name = cls.__name__
        self.fields = fields
        self._by_lower = {key.lower(): key for key in fields}
        self._names = tuple(render(path) for path in self._paths())

    # -- what sources ask

    def knows(self, path: Parts) -> bool:
        """Whether a setting, or a table of settings, has this path."""
        return self.kind_at(path) is not None

    def is_secret(self, path: Parts) -> bool:
        """Whether the setting at a path is a secret."""
        field = self.field_at(path)
        return field is not None and field.secret

    def names(self) -> tuple[str, ...]:
        """Return the dot path of each setting and each table of settings."""
        return self._names

    def aliases(self) -> Iterator[tuple[Parts, tuple[str, ...]]]:
        """Yield each path that further variables supply, with these."""
        for path, field in self.walk():
            if field.aliases:
                yield path, field.aliases

    def spelled(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return a path in lower case as the class spells it."""
        found: list[str] = []
        kind: Kind | None = self
        for part in path:
            plan = plan_in(kind)
            found.append(plan._by_lower.get(part, part) if plan else part)
            kind = kind.child(found[-1]) if kind else None
        return tuple(found)

    # -- what the loader asks

    def child(self, key: str | int) -> Kind | None:
        field = self.fields.get(str(key))
        return field.kind if field else None

    def kind_at(self, path: Parts) -> Kind | None:
        """Return what is expected at a path."""
        kind: Kind | None = self
        for part in path:
            kind = kind.child(part) if kind else None
        return kind

    def field_at(self, path: Parts) -> Field | None:
        """Return the field at a path; None where no class declares it."""
        plan = plan_in(self.kind_at(path[:-1])) if path else None
        return plan.fields.get(str(path[-1])) if plan else None

    def made(self, value: object) -> bool:
        """Whether a value is an object of the class; never of a TypedDict, which is a table."""
        return not is_typed_dict(self.cls) and isinstance(value, self.cls)

    def values(self, value: Any) -> Iterator[tuple[Field, Any]]:
        """Yield the fields that an object of the class has, with their values."""
        for field in self.fields.values():
            if not is_typed_dict(self.cls):
                yield field, getattr(value, field.attribute)
            elif field.key in value:
                yield field, value[field.key]

    def bind(self, node: Node, path: Parts, job: Job) -> Any:
        if isinstance(node, Leaf) and self.made(node.value):
            return node.value
        table = table_of(node)
        if table is None:
            return job.expected(self.expects, path, node)
        for key in table:
            if key not in self.fields:
                self._unknown((*path, key), table[key], job)
        values = {
            field.key: self._value(field, table.get(field.key), (*path, field.key), job)
            for field in self.fields.values()
        }
        if any(value is FAILED for value in values.values()):
            return FAILED
        given = {key: value for key, value in values.items() if value is not _ABSENT}
        try:
            return self.cls(**given)
        except (ValueError, TypeError, ValidationError, ConfigError) as exc:
            job.raised(path, exc, "class", node)
            return FAILED

    def _value(self, field: Field, node: Node | None, path: Parts, job: Job) -> Any:
        if isinstance(node, Leaf) and node.value is None and not field.kind.nullable:
            node = None
        if node is not None:
            return field.kind.bind(node, path, job)
        if not field.required:
            return _ABSENT
        if isinstance(field.kind, Plan):
            # names everything that is missing in it, or is made of its own defaults
            return field.kind.bind({}, path, job)
        job.missing(path, tuple(places(path, job)))
        return FAILED

    def _unknown(self, path: Parts, node: Node, job: Job) -> None:
        # in a list the names are those of its item
        at = next((i for i in range(len(path), 0, -1) if isinstance(path[i - 1], int)), 0)
        names = self._names if at else job.names
        close = nearest(render(path[at:]), names)
        hint = f"did you mean {render(path[:at])}{'.' if at else ''}{close}?" if close else None
        origin = job.origin(path, node)
        job.doubt(path, "there is no such setting", "unknown", origin=origin, hint=hint)

    def walk(self, path: Parts = ()) -> Iterator[tuple[Parts, Field]]:
        """Yield each setting and table of settings, a table before what is in it."""
        for key, field in self.fields.items():
            yield (*path, key), field
            plan = plan_in(field.kind)
            if plan:
                yield from plan.walk((*path, key))

    def _paths(self) -> Iterator[Parts]:
        for path, _ in self.walk():
            yield path


class _Absent:
    """Stands for a value that the class makes itself."""


_ABSENT = _Absent()
_plans: dict[type, Plan] = {}
_ATTRS_FACTORY = cast("type[Any]", attrs.Factory)


def plan_of(cls: type[object]) -> Plan:
    """
    Return the plan of an attrs class, a dataclass or a TypedDict.

    Raises BadSetting for any other class, and for a field whose type cannot be read.
    """
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = _compile(cls, ())
    return plan


def plan_in(kind: Kind | None) -> Plan | None:
    """Return the class behind a kind, also behind `| None` and rules."""
    while kind is not None and not isinstance(kind, Plan):
        kind = getattr(kind, "inner", None)
    return kind


def _compile(cls: type, outer: tuple[type, ...]) -> Plan:
    if cls in outer:
        message = f"{cls.__name__} holds itself, and has no bounds"
        raise BadSetting(message)
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as exc:
        message = f"{cls.__name__} names a type that is not known where it stands: {exc.name}"
        raise BadSetting(message) from exc
    fields = (
        _field(cls, declared, hints.get(declared.name, Any), outer)
        for declared in _declared(cls, hints)
    )
    return Plan(cls, {field.key: field for field in fields if field})


@attrs.frozen
class _Key:
    """A name of a TypedDict, told like a field of the others."""

    name: str
    required: bool
    metadata: Mapping[str, Any] = attrs.field(factory=dict)


def _declared(cls: type, hints: Mapping[str, Any]) -> list[Any]:
    """Return the fields that the constructor of a class takes."""
    if is_typed_dict(cls):
        return [_Key(name, _is_required(cls, name, hint)) for name, hint in hints.items()]
    if attrs.has(cls):
        return [field for field in attrs.fields(cls) if field.init]
    if dataclasses.is_dataclass(cls):
        return [field for field in dataclasses.fields(cls) if field.init]
    message = (
        f"{cls.__name__} is no attrs class, dataclass or TypedDict: decorate it with attrs.frozen"
    )
    raise BadSetting(message)


def _is_required(cls: Any, name: str, hint: object) -> bool:
    """Whether a TypedDict needs a name; it does not read its own annotations that are quoted."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    origin = get_origin(hint)
    if origin in {_Required, _NotRequired}:
        return origin is _Required
    return name in cls.__required_keys__


def _field(cls: type, declared: Any, hint: object, outer: tuple[type, ...]) -> Field | None:
    name = f"{cls.__name__}.{declared.name}"
    default = _default_of(declared)
    required = default is _ABSENT
    if declared.metadata.get("bind") is False:
        if required:
            message = f"{name} is not bound, so it needs a default"
            raise BadSetting(message)
        return None
    kind = kind_of(
        hint,
        name,
        unit=declared.metadata.get("unit", ""),
        nested=lambda inner: _compile(inner, (*outer, cls)),
    )
    secret = bool(declared.metadata.get("secret")) or kind.secret
    env = declared.metadata.get("env") or ()
    key = getattr(declared, "alias", None) or declared.name
    return Field(
        key=key,
        attribute=declared.name,
        kind=kind,
        required=required,
        default=default if callable(default) else None,
        aliases=(env,) if isinstance(env, str) else tuple(env),
        secret=secret,
        hidden=secret or is_sensitive(key),
        unit=_unit_of(kind) or declared.metadata.get("unit") or "",
        help=declared.metadata.get("help") or "",
    )


def _unit_of(kind: Kind) -> str:
    while isinstance(kind, OptionalKind | CheckedKind):
        kind = kind.inner
    return {"Seconds": "s", "Size": "B"}.get(kind.name, "")


def _default_of(declared: Any) -> Callable[[], object] | _Absent | None:
    """Return what makes a default: absent where there is none, None where the constructor must."""
    if isinstance(declared, _Key):
        return _ABSENT if declared.required else None
    default = declared.default
    if isinstance(default, _ATTRS_FACTORY):
        return None if default.takes_self else cast("Callable[[], object]", default.factory)
    factory = getattr(declared, "default_factory", dataclasses.MISSING)
    if factory is not dataclasses.MISSING:
        return cast("Callable[[], object]", factory)
    nothing = default is attrs.NOTHING or default is dataclasses.MISSING
    return _ABSENT if nothing else lambda: default


def places(path: Parts, job: Job) -> Iterator[str]:
    """Yield what would supply a setting: its variable, its name in each file."""
    for layer in reversed(job.layers):
        origin = layer.origin(path)
        alone = origin.source in {"env", "file"}
        yield origin.location if alone else f"{origin.location} in {origin.source}"
