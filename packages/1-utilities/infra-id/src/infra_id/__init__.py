"""
Ids that sort by time, and ids that know what they name.

>>> from infra_id import TypedId, uuid7
>>> class OrderId(TypedId):
...     prefix = "ord"
>>> one, two = OrderId.new(), OrderId.new()
>>> one < two
True
>>> OrderId.parse(str(one)) == one
True
>>> uuid7().version
7
"""

from infra_id.errors import (
    BadIdOption,
    ClockRollbackError,
    InvalidId,
    SequenceExhausted,
    TimestampOverflow,
)
from infra_id.typed import TypedId, typeid
from infra_id.uuids import Uuid7Generator, uuid7, uuid7_batch, uuid7_str

__all__ = [
    "BadIdOption",
    "ClockRollbackError",
    "InvalidId",
    "SequenceExhausted",
    "TimestampOverflow",
    "TypedId",
    "Uuid7Generator",
    "typeid",
    "uuid7",
    "uuid7_batch",
    "uuid7_str",
]
