"""The first row of each group, in a way that every database understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, func, select

from infra_db._mapping import mapping_of
from infra_db.paging import Key, Sort, order_by
from infra_errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["latest_per"]


def latest_per(model: type[Any], *, key: Sequence[str], order: Sequence[Sort | str]) -> Select[Any]:
    """Select the model's rows that come first among those with the same `key`, in this order.

    `latest_per(Reading, key=["sensor"], order=["-taken_at"])` is each sensor's last reading; equal
    ones are told apart by primary key. Conditions added to it are asked of the rows it chose. An
    index over key and order serves it. Raises ValidationError `db.unknown_field`.
    """
    if not key or not order:
        message = "latest_per needs the fields that make a group, and an order"
        raise ValidationError(message, code="db.invalid_filter")
    mapping = mapping_of(model)
    sorts = [one if isinstance(one, Sort) else Sort(one) for one in order]
    sorts += [Sort(name) for name in mapping.keys]
    fields = [mapping.field(sort.field, mapping.fields) for sort in sorts]
    keys = [
        Key(sort, field.column, field.nullable) for sort, field in zip(sorts, fields, strict=True)
    ]
    groups = [mapping.field(name, mapping.fields).column for name in key]
    # DISTINCT ON is PostgreSQL's alone, and was measured no faster.
    place = func.row_number().over(partition_by=groups, order_by=order_by(keys))
    own = [mapping.fields[name].column for name in mapping.keys]
    ranked = select(*own, place.label("infra_db_place")).subquery()
    same = [ranked.c[column.key] == column for column in own]
    return select(model).join(ranked, and_(*same)).where(ranked.c.infra_db_place == 1)
