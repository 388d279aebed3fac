"""Conditions on a model's columns, by name: what a caller may ask a repository for.

Everything is ANDed; `any_of` is the one OR. More logic than that is SQLAlchemy's: a repository
takes its column expressions beside these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import attrs
from sqlalchemy import ColumnElement, String, and_, false, func, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, TypeDecorator

from infra_db.types import FoldedStr
from infra_errors import ValidationError

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["AnyOf", "Filter", "Op", "Where", "any_of"]

Op: TypeAlias = Literal[
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "in",
    "not_in",
    "between",
    "contains",
    "startswith",
    "endswith",
    "icontains",
    "ieq",
]
_OPS = frozenset(get_args(Op))
_TEXT_OPS = frozenset({"contains", "startswith", "endswith", "icontains", "ieq"})
MOST_VALUES = 10_000  # of one "in"


@attrs.frozen
class Filter:
    """A condition on one field: `Filter("age", "ge", 18)`.

    `None` with "eq" means IS NULL. "ne" and "not_in" count a NULL as different, as Python does.
    The text operations take their value literally: `%` and `_` mean themselves. "icontains" and
    "ieq" casefold both sides.
    """

    field: str
    op: Op
    value: Any = None

    def __attrs_post_init__(self) -> None:
        if self.op not in _OPS:
            message = f"unknown filter operation; known are {', '.join(sorted(_OPS))}"
            raise ValidationError(message, code="db.invalid_filter", field=self.field)


@attrs.frozen
class AnyOf:
    """Filters of which one at least must hold; made by `any_of`."""

    filters: tuple[Filter | AnyOf, ...]


Where: TypeAlias = "Filter | AnyOf | ColumnElement[bool]"


def any_of(*filters: Filter | AnyOf) -> AnyOf:
    """Ask that one of these holds; of none, none does."""
    return AnyOf(filters)


Resolve = Callable[[str], ColumnElement[Any]]
Coerce = Callable[[str, Any], Any]


def condition(where: Where, resolve: Resolve, coerce: Coerce) -> ColumnElement[bool]:
    """Build the SQL condition: `resolve` gives a field's column, `coerce` checks its values."""
    if isinstance(where, AnyOf):
        return or_(false(), *(condition(one, resolve, coerce) for one in where.filters))
    if isinstance(where, Filter):
        return _build(where, resolve(where.field), lambda value: coerce(where.field, value))
    if isinstance(where, ColumnElement):
        return where
    message = "a condition is a Filter, any_of(...) or a SQLAlchemy column expression"
    raise ValidationError(message, code="db.invalid_filter")


def _refuse(found: Filter, what: str) -> ValidationError:
    message = f"filter {found.op} on {found.field}: {what}"
    return ValidationError(message, code="db.invalid_filter", field=found.field)


def _build(
    found: Filter, column: ColumnElement[Any], coerce: Callable[[Any], Any]
) -> ColumnElement[bool]:
    op, value = found.op, found.value
    if op in {"in", "not_in"}:
        return _members(found, column, coerce)
    if op == "between":
        low, high = _pair(found)
        return column.between(coerce(low), coerce(high))
    if op in _TEXT_OPS:
        return _text(found, column)
    if value is None:
        if op not in {"eq", "ne"}:
            raise _refuse(found, "needs a value")
        return column.is_(None) if op == "eq" else column.is_not(None)
    value = coerce(value)
    if op == "ne":
        return _or_null(column != value, column)
    comparison: ColumnElement[bool] = {
        "eq": column.__eq__,
        "lt": column.__lt__,
        "le": column.__le__,
        "gt": column.__gt__,
        "ge": column.__ge__,
    }[op](value)
    return comparison


def _or_null(test: ColumnElement[bool], column: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(test, column.is_(None)) if getattr(column, "nullable", True) else test


def _pair(found: Filter) -> tuple[Any, Any]:
    value = found.value
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise _refuse(found, "needs two values, the lowest and the highest")
    if value[0] is None or value[1] is None:
        raise _refuse(found, "needs two values, neither of them None")
    return value[0], value[1]


def _members(
    found: Filter, column: ColumnElement[Any], coerce: Callable[[Any], Any]
) -> ColumnElement[bool]:
    if not isinstance(found.value, Iterable) or isinstance(found.value, str | bytes):
        raise _refuse(found, "needs a list of values")
    values = list(found.value)
    if len(values) > MOST_VALUES:
        raise _refuse(found, f"takes at most {MOST_VALUES} values")
    with_null = None in values
    wanted = [coerce(value) for value in values if value is not None]
    inside = column.in_(wanted) if wanted else false()
    if found.op == "in":
        return or_(inside, column.is_(None)) if with_null else inside
    outside = column.not_in(wanted) if wanted else true()
    return and_(outside, column.is_not(None)) if with_null else _or_null(outside, column)


def _text(found: Filter, column: ColumnElement[Any]) -> ColumnElement[bool]:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if not isinstance(kind, String):
        raise _refuse(found, "is for text columns")
    if not isinstance(found.value, str):
        raise _refuse(found, "needs a text")
    if found.op == "ieq":
        return _Casefold(column) == found.value.casefold()
    if found.op == "icontains":
        return _Contains(_Casefold(column), found.value.casefold())
    folded = found.value.casefold() if isinstance(column.type, FoldedStr) else found.value
    match = {"contains": _Contains, "startswith": _StartsWith, "endswith": _EndsWith}[found.op]
    return match(column, folded)


class _Casefold(FunctionElement[str]):
    """Unicode casefold of a text; each backend says with what function."""

    type = String()
    inherit_cache = True


class _Contains(FunctionElement[bool]):
    """Literal substring test. LIKE is not it: SQLite's ignores the case of ASCII letters."""

    type = Boolean()
    inherit_cache = True


class _StartsWith(_Contains):
    inherit_cache = True


class _EndsWith(_Contains):
    inherit_cache = True


@compiles(_Casefold, "sqlite")
def _casefold_sqlite(element: _Casefold, compiler: SQLCompiler, **kw: Any) -> str:
    return f"infra_casefold({compiler.process(element.clauses, **kw)})"


@compiles(_Contains, "sqlite")
def _contains_sqlite(element: _Contains, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    return compiler.process(func.instr(text, part) > 0, **kw)


@compiles(_StartsWith, "sqlite")
def _startswith_sqlite(element: _StartsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    return compiler.process(func.substr(text, 1, func.length(part)) == part, **kw)


@compiles(_EndsWith, "sqlite")
def _endswith_sqlite(element: _EndsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    start = func.length(text) - func.length(part) + 1
    long_enough = func.length(text) >= func.length(part)
    return compiler.process(and_(long_enough, func.substr(text, start) == part), **kw)


@compiles(_Casefold, "postgresql")
def _casefold_postgres(element: _Casefold, compiler: SQLCompiler, **kw: Any) -> str:
    # ICU's lower is the same in every database; the two letters are where casefold goes further.
    lower = f'lower(({compiler.process(element.clauses, **kw)}) COLLATE "und-x-icu")'
    return f"replace(replace({lower}, 'ß', 'ss'), 'ς', 'σ')"


@compiles(_Casefold, "mysql", "mariadb")
def _casefold_mysql(element: _Casefold, compiler: SQLCompiler, **kw: Any) -> str:
    lower = f"lower({_exact(compiler.process(element.clauses, **kw))})"
    return f"replace(replace({lower}, 'ß', 'ss'), 'ς', 'σ')"


@compiles(_Contains, "postgresql")
def _contains_postgres(element: _Contains, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    return compiler.process(func.strpos(text, part) > 0, **kw)


@compiles(_StartsWith, "postgresql")
def _startswith_postgres(element: _StartsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    return compiler.process(func.left(text, func.length(part)) == part, **kw)


@compiles(_EndsWith, "postgresql")
def _endswith_postgres(element: _EndsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = element.clauses
    return compiler.process(func.right(text, func.length(part)) == part, **kw)


def _exact(text: str) -> str:
    """Compare by code points, whatever the column's own collation."""
    return f"convert({text} using utf8mb4) collate utf8mb4_bin"


@compiles(_Contains, "mysql", "mariadb")
def _contains_mysql(element: _Contains, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = (compiler.process(one, **kw) for one in element.clauses)
    return f"locate({part}, {_exact(text)}) > 0"


@compiles(_StartsWith, "mysql", "mariadb")
def _startswith_mysql(element: _StartsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = (compiler.process(one, **kw) for one in element.clauses)
    return f"left({_exact(text)}, char_length({part})) = {part}"


@compiles(_EndsWith, "mysql", "mariadb")
def _endswith_mysql(element: _EndsWith, compiler: SQLCompiler, **kw: Any) -> str:
    text, part = (compiler.process(one, **kw) for one in element.clauses)
    return f"right({_exact(text)}, char_length({part})) = {part}"
