"""A settings class as JSON Schema: for editors, and for those who write the files."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra_config._kinds import (
    CheckedKind,
    ChoiceKind,
    ItemsKind,
    Kind,
    MapKind,
    OptionalKind,
    PairsKind,
    SecretKind,
    UnionKind,
)
from infra_config._plain import Unsaid, plain
from infra_config.binder import Field, Plan, plan_of
from infra_config.rules import Length, Pattern, Range, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["json_schema"]

_Schema = dict[str, Any]

# the end in ECMAScript and in Python, whose $ also matches before a last line end
_END = r"(?![\s\S])"
_LONGEST_MATCHED = 4096
_DURATION: _Schema = {
    "type": "string",
    "maxLength": 100,
    "pattern": (
        r"^(?:(?:[0-9]{1,6}(?:\.[0-9]{1,6})?(?:ms|[wdhms]))+"
        r"|P(?=[0-9T])(?:[0-9]{1,6}W)?(?:[0-9]{1,6}D)?"
        r"(?:T(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,6}M)?(?:[0-9]{1,6}(?:\.[0-9]{1,6})?S)?)?"
        r"|[0-9]{1,12}(?:\.[0-9]{0,6})?)" + _END
    ),
}
_SIZE: _Schema = {
    "type": "string",
    "pattern": rf"^[0-9]{{1,18}} ?(?:[kKmMgGtT][iI]?)?[bB]?{_END}",
}
_DECIMAL: _Schema = {
    "type": "string",
    "pattern": rf"^[+-]?[0-9]{{1,64}}(?:\.[0-9]{{0,64}})?{_END}",
}
# by the name of a kind: its native form first, then what it also reads from text
_SCALARS: dict[str, tuple[_Schema, ...]] = {
    "str": ({"type": "string"},),
    "int": ({"type": "integer"},),
    "float": ({"type": "number"},),
    "bool": ({"type": "boolean"},),
    "Decimal": ({"type": "number"}, _DECIMAL),
    "Seconds": ({"type": "number", "minimum": 0}, _DURATION),
    "timedelta": ({"type": "number", "minimum": 0, "maximum": 80_000_000_000_000}, _DURATION),
    "Size": ({"type": "integer", "minimum": 0}, _SIZE),
    "Path": ({"type": "string", "pattern": rf"^[^\x00]*[^\s\x00][^\x00]*{_END}"},),
    "UUID": ({"type": "string", "format": "uuid"},),
    "datetime": ({"type": "string", "format": "date-time"},),
    "date": ({"type": "string", "format": "date"},),
    "time": ({"type": "string", "format": "time"},),
    "IPv4Address": ({"type": "string", "format": "ipv4"},),
    "IPv6Address": ({"type": "string", "format": "ipv6"},),
}


def json_schema(cls: type[object]) -> dict[str, Any]:
    """
    Return the schema of a file that gives a settings class all it needs: Draft 2020-12.

    What it accepts, a file source accepts, but for what JSON Schema has no words for: `Custom`
    rules, a class's own validators, a Range of dates, a Pattern of what is no text, and 1.0, which
    is an integer to it. `format` is meant to be checked. A default is told, never that of a secret,
    which is `writeOnly`; `x-env` names a setting's own variables, `x-unit` what a number counts.

    Args:
        cls: an attrs class, a dataclass or a TypedDict.

    Raises BadSetting for a class that cannot be read.
    """
    plan = plan_of(cls)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": plan.name,
        **_table(plan),
    }


def _table(plan: Plan) -> _Schema:
    schema: _Schema = {
        "type": "object",
        "properties": {key: _property(field) for key, field in plan.fields.items()},
        "additionalProperties": False,
    }
    required = [key for key, field in plan.fields.items() if _is_required(field)]
    return {**schema, "required": required} if required else schema


def _is_required(field: Field) -> bool:
    """Whether a load fails without it: not for a table whose settings all have defaults."""
    if field.required and isinstance(field.kind, Plan):
        return any(_is_required(inner) for inner in field.kind.fields.values())
    return field.required


def _property(field: Field) -> _Schema:
    schema = dict(_of(field.kind, ()))
    if field.help:
        schema["description"] = field.help
    if field.hidden:
        schema["writeOnly"] = True
    elif field.default is not None:
        try:
            schema["default"] = plain(field.default())
        except Unsaid:
            pass  # an object has no form in a file
    if field.aliases:
        schema["x-env"] = list(field.aliases)
    if field.unit:
        schema["x-unit"] = field.unit
    return schema


def _of(kind: Kind, rules: Sequence[Rule]) -> _Schema:
    """Return the schema of a kind under the rules around it."""
    if isinstance(kind, CheckedKind):
        return _of(kind.inner, [*rules, *kind.rules])
    if isinstance(kind, OptionalKind):
        return {"anyOf": [_of(kind.inner, rules), {"type": "null"}]}
    if isinstance(kind, UnionKind):
        return {"anyOf": [_of(member, rules) for member in kind.members]}
    if isinstance(kind, Plan):
        return _table(kind)
    if isinstance(kind, ItemsKind):
        items = {"type": "array", "items": _of(kind.item, ())}
        return items | _length(rules, "Items")
    if isinstance(kind, PairsKind):
        count = len(kind.members)
        return {
            "type": "array",
            "prefixItems": [_of(member, ()) for member in kind.members],
            "items": False,
            "minItems": count,
            "maxItems": count,
        }
    if isinstance(kind, MapKind):
        values = {"type": "object", "additionalProperties": _of(kind.item, ())}
        return values | _length(rules, "Properties")
    return _scalar(kind, rules)


def _scalar(kind: Kind, rules: Sequence[Rule]) -> _Schema:
    if isinstance(kind, ChoiceKind):
        said = (str, bool, int, float, type(None))
        return _checked({"enum": [item for item in kind.given if isinstance(item, said)]}, rules)
    if isinstance(kind, SecretKind):
        widest = 4 if "bytes" in kind.name else 1
        return _checked({"type": "string"}, rules, widest=widest)
    forms = _SCALARS.get(kind.name)
    if forms is None:
        # a network or an interface has no format of its own; anything has no type
        return {} if kind.name == "Any" else {"type": "string"}
    if any(isinstance(rule, Range) for rule in rules):
        # of a text, a schema cannot say how long a duration it is
        forms = forms[:1]
    checked = [_checked(form, rules) for form in forms]
    return checked[0] if len(checked) == 1 else {"anyOf": checked}


def _checked(form: _Schema, rules: Sequence[Rule], *, widest: int = 1) -> _Schema:
    """
    Return a schema with the rules in its words, several of which hold at once.

    `widest` is how many items of a length one character may be.
    """
    said = [_length([rule], "Length", widest=widest) for rule in rules if isinstance(rule, Length)]
    said += [_pattern(rule.regex) for rule in rules if isinstance(rule, Pattern)]
    said += [_range(rule) for rule in rules if isinstance(rule, Range)]
    said = [words for words in said if words]
    if len(said) == 1 and not said[0].keys() & form.keys():
        return form | said[0]
    return {**form, "allOf": said} if said else form


def _length(rules: Sequence[Rule], noun: str, *, widest: int = 1) -> _Schema:
    lengths = [rule for rule in rules if isinstance(rule, Length)]
    highest = [rule.max for rule in lengths if rule.max is not None]
    words = {f"min{noun}": max((rule.min for rule in lengths), default=0)}
    if highest:
        words[f"max{noun}"] = min(highest) // widest
    return {name: bound for name, bound in words.items() if bound or name.startswith("max")}


def _pattern(regex: str) -> _Schema:
    # flags for all of it may stand at the start of a Python pattern only, not inside of a group
    flags = re.match(r"\(\?([aimsx]+)\)", regex)
    inner = f"(?{flags[1]}:{regex[flags.end() :]})" if flags else f"(?:{regex})"
    return {"pattern": f"^{inner}{_END}", "maxLength": _LONGEST_MATCHED}


def _range(rule: Range) -> _Schema:
    names = ("exclusiveMinimum", "exclusiveMaximum") if rule.exclusive else ("minimum", "maximum")
    bounds = zip(names, (_bound(rule.min), _bound(rule.max)), strict=True)
    return {name: bound for name, bound in bounds if bound is not None}


def _bound(value: object) -> int | float | None:
    """Return a bound as a number; None for a date, which a schema cannot compare."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, int | float) else None
