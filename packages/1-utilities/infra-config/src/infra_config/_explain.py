"""Where a value came from, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra_config import paths
from infra_config._typos import nearest
from infra_config.binder import Plan, plan_in
from infra_config.config import Explanation, Layer, Origin
from infra_config.errors import BadPath
from infra_errors import Secret, SecretUrl, is_sensitive, redact_text

if TYPE_CHECKING:
    from infra_config._kinds import Kind
    from infra_config.paths import Parts

__all__ = ["ABSENT", "default_of", "explain", "found_in", "masked", "redacted", "walked"]

_MASK = "***"
_SHOWN = 80
ABSENT = object()


def explain(plan: Plan, layers: tuple[Layer, ...], value: object, path: str) -> Explanation:
    """Return where the value at a path came from; raises BadPath where there is none."""
    parts = paths.parse(path)
    found = walked(plan, value, parts)
    if found is ABSENT:
        if plan.knows(parts):
            message = f"{path} is not given, and {plan.name} goes without"
            raise BadPath(message)
        close = nearest(path, plan.names())
        hint = f": did you mean {close}?" if close else ""
        message = f"{plan.name} has no setting {path}{hint}"
        raise BadPath(message)
    given = [
        (layer.origin(parts), masked(plan, parts, raw))
        for layer in reversed(layers)
        if (raw := found_in(layer.data, parts)) is not ABSENT
    ]
    is_default = not given
    default = default_of(plan, layers, parts)
    if default is not ABSENT:
        given.append((Origin("default", path), masked(plan, parts, default)))
    kind = plan.kind_at(parts)
    return Explanation(
        path,
        masked(plan, parts, found),
        kind.name if kind else None,
        is_default,
        tuple(given),
    )


def redacted(plan: Plan, value: object) -> dict[str, Any]:
    """Return an object as a table of plain values, secrets masked."""
    return _fields(plan, (), plan, value)


def walked(kind: Kind | None, value: Any, parts: Parts) -> object:
    """Return what an object of a kind holds at a path."""
    for part in parts:
        inner = plan_in(kind)
        if inner is not None and inner.made(value):
            field = inner.fields.get(str(part))
            if field is None:
                return ABSENT
            value = getattr(value, field.attribute)
        else:
            value = _item(value, part)
        kind = kind.child(part) if kind else None
    return value


def found_in(data: object, parts: Parts) -> object:
    """Return what a layer holds at a path."""
    for part in parts:
        data = _item(data, part)
    return data


def _item(value: object, part: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(str(part), ABSENT)
    if isinstance(value, list | tuple) and paths.is_place(str(part)):
        index = int(part)
        return value[index] if index < len(value) else ABSENT
    return ABSENT


def default_of(plan: Plan, layers: tuple[Layer, ...], parts: Parts) -> object:
    """Return the default for a path: its own, or its part of a default that no source touched."""
    for end in range(1, len(parts) + 1):
        field = plan.field_at(parts[:end])
        if field is None or field.default is None:
            continue
        if end == len(parts):
            return field.default()
        if all(found_in(layer.data, parts[:end]) is ABSENT for layer in layers):
            return walked(field.kind, field.default(), parts[end:])
    return ABSENT


def masked(plan: Plan, parts: Parts, value: object) -> Any:
    """Return what may be shown of the value at a path."""
    for end in range(1, len(parts) + 1):
        field = plan.field_at(parts[:end])
        name = parts[end - 1]
        hidden = field.hidden if field else isinstance(name, str) and is_sensitive(name)
        if hidden and value is not None:
            kind = plan.kind_at(parts)
            return _shown_url(value) if kind and "SecretUrl" in kind.name else _MASK
    inner = plan_in(plan.kind_at(parts))
    if inner is not None and inner.made(value):
        return _fields(plan, parts, inner, value)
    if isinstance(value, Mapping):
        return {str(key): masked(plan, (*parts, str(key)), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(plan, (*parts, index), item) for index, item in enumerate(value)]
    return _shown(value)


def _fields(plan: Plan, parts: Parts, inner: Plan, value: object) -> dict[str, Any]:
    """Return an object at a path as a table of plain values."""
    return {
        field.key: masked(plan, (*parts, field.key), item) for field, item in inner.values(value)
    }


def _shown(value: object) -> object:
    if isinstance(value, Secret):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = redact_text(value if isinstance(value, str) else str(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _shown_url(value: object) -> str:
    if isinstance(value, Secret):
        return str(value)
    return str(SecretUrl(value)) if isinstance(value, str) else _MASK
